/**
 * @file How a run ends can be changed from its page: what is asked is what is typed, and only what the run
 * can do is offered.
 */
import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import type { RunCard } from '../../../../src-main/contract/schema.ts';
import { trainingDefaults, type TrainingSettings } from '../../../../src-main/train/settings.ts';
import { decaying } from '../../../../src-main/train/schedule.ts';
import RunFurther from '../../../../src-renderer/parts/run/run-further.svelte';

afterEach(cleanup);
const settings: TrainingSettings = { ...trainingDefaults, tokens: 1000, batch: 1, sequence: 10, rewarm: 7 };
function shown(
  state: RunCard['state'],
  more: { settings?: TrainingSettings; falling?: boolean; busy?: boolean } = {},
) {
  const ondecay = vi.fn();
  const onextend = vi.fn();
  const { settings: own = settings, falling = false, busy = false } = more;
  const card = {
    id: 'r',
    dir: '/r',
    name: 'r',
    checkpoint: '/c',
    data: [],
    settings: own,
    state,
    step: 10,
    steps: 100,
    tokens: 100,
    loss: 1,
    heldOutLoss: null,
    seconds: 1,
    created: '',
    savedStep: 10,
  } as unknown as RunCard;
  render(RunFurther, { card, state, steps: 100, falling, busy, ondecay, onextend });
  return { ondecay, onextend };
}
const type = async (label: string, value: string): Promise<void> => {
  await fireEvent.input(screen.getByLabelText(label), { target: { value } });
};

it('decays a run that trains, over the steps that were typed or its own share', async () => {
  const { ondecay } = shown('running');
  expect(screen.queryByText('Train further')).toBe(null);
  expect(screen.getByLabelText<HTMLInputElement>('Decay over').placeholder).toBe('20');
  await fireEvent.click(screen.getByText('Decay now'));
  await type('Decay over', '1k');
  await fireEvent.click(screen.getByText('Decay now'));
  await type('Decay over', 'some');
  await fireEvent.click(screen.getByText('Decay now'));
  expect(screen.getByRole('alert').textContent).toContain('“some” is not a whole number of steps');
  expect(ondecay.mock.calls).toEqual([[undefined], [1000]]);
});

it('trains a finished run further, with its own re-warming', async () => {
  const { onextend } = shown('finished');
  expect(screen.queryByText('Decay now')).toBe(null);
  await fireEvent.click(screen.getByText('Train further'));
  await type('Train on to a total of', '5k');
  await type('Re-warm over', '0');
  await fireEvent.click(screen.getByText('Train further'));
  expect(onextend.mock.calls).toEqual([
    [2000, 7],
    [5000, 0],
  ]);
});

it('offers a paused run both, without re-warming', async () => {
  const { onextend } = shown('paused');
  expect(screen.getByText('Decay now')).toBeTruthy();
  await fireEvent.click(screen.getByText('Train further'));
  expect(onextend.mock.calls).toEqual([[2000, 0]]);
});

it('does not decay twice', () => {
  shown('running', { falling: true });
  expect(screen.queryByText('Decay now')).toBe(null);
  cleanup();
  shown('paused', { settings: decaying(settings, 10, 5) });
  expect(screen.queryByText('Decay now')).toBe(null);
});
