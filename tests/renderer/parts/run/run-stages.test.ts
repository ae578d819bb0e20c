import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it } from 'vitest';
import RunStages from '../../../../src-renderer/parts/run/run-stages.svelte';

afterEach(cleanup);

const growth = { method: 'identity', to: { layers: 24 }, options: {}, seed: 0, dtype: 'keep' } as const;
const run = { stages: [{ until: { byHand: true } }, { grow: [growth] }], savedStep: null } as const;
const props = { run, state: 'running', grown: 0, isGrowing: false, isBusy: false } as const;

it('grows now while a stage is to come', async () => {
  let requests = 0;
  const ongrow = (): void => {
    requests++;
  };
  const { rerender } = render(RunStages, { ...props, ongrow });
  const button = screen.getByRole<HTMLButtonElement>('button', { name: 'Grow now' });
  await fireEvent.click(button);
  expect(requests).toBe(1);
  await rerender({ ...props, isGrowing: true, ongrow });
  expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Growing…' }).disabled).toBe(true);
  await rerender({ ...props, grown: 1, ongrow });
  expect(screen.queryByRole('button')).toBeNull();
  expect(screen.getAllByRole('listitem')[1]!.getAttribute('aria-current')).toBe('step');
});

it('waits while a run is not ready to grow, and offers nothing when it has finished', async () => {
  const ongrow = (): void => undefined;
  const { rerender } = render(RunStages, { ...props, state: 'preparing', ongrow });
  expect(screen.getByRole<HTMLButtonElement>('button').disabled).toBe(true);
  await rerender({ ...props, state: 'paused', ongrow });
  expect(screen.getByRole<HTMLButtonElement>('button').disabled).toBe(false);
  await rerender({ ...props, state: 'finished', ongrow });
  expect(screen.queryByRole('button')).toBeNull();
});
