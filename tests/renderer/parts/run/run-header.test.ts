import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { tick } from 'svelte';
import RunHeader from '../../../../src-renderer/parts/run/run-header.svelte';
import { stopPatience as patience } from '../../../../src-renderer/parts/run/stop-patience.ts';
import { trainingDefaults } from '../../../../src-main/train/settings.ts';
import type { RunSummary } from '../../../../src-main/contract/schema.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

const run: RunSummary = {
  id: '/runs/a',
  dir: '/runs/a',
  name: 'a',
  checkpoint: '/models/m',
  data: ['/text'],
  settings: trainingDefaults,
  state: 'pausing',
  step: 14,
  steps: 100,
  tokens: 1000,
  loss: 3,
  heldOutLoss: null,
  seconds: 1,
  cost: null,
  created: '2026-11-29T12:00:00Z',
  savedStep: 10,
};
const nothing = (): void => undefined;
const props = {
  run,
  state: 'pausing',
  isConnected: true,
  started: null,
  isBusy: true,
  onpause: nothing,
  onresume: nothing,
  onstart: nothing,
  onexport: nothing,
} as const;
const findButton = (): HTMLElement | null => screen.queryByRole('button', { name: 'Stop now' });
const pass = async (milliseconds: number): Promise<void> => {
  vi.advanceTimersByTime(milliseconds);
  await tick();
};

it('offers to stop a run that has not paused for a while, and says what is lost', async () => {
  const onstop = vi.fn();
  const { rerender } = render(RunHeader, { ...props, onstop });
  await pass(patience - 1);
  expect(findButton()).toBeNull();
  await pass(1);
  expect(document.body.textContent).toContain('loses the steps after 10');
  await fireEvent.click(findButton()!);
  expect(onstop).toHaveBeenCalledOnce();
  await rerender({ ...props, onstop, state: 'paused' });
  expect(findButton()).toBeNull();
});

it('offers nothing while a run trains, and while its server cannot be reached', async () => {
  const { rerender } = render(RunHeader, { ...props, state: 'running', onstop: nothing });
  await pass(2 * patience);
  expect(findButton()).toBeNull();
  await rerender({ ...props, isConnected: false, onstop: nothing });
  await pass(2 * patience);
  expect(findButton()).toBeNull();
});

it('says that a run without a save loses everything', async () => {
  render(RunHeader, { ...props, run: { ...run, savedStep: null }, onstop: nothing });
  await pass(patience);
  expect(document.body.textContent).toContain('nothing of it is saved');
});
