import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import type { RunState, RunSummary } from '../../../../src-main/contract/schema.ts';
import { trainingDefaults, type TrainingSettings } from '../../../../src-main/train/settings.ts';
import { decayFrom } from '../../../../src-main/train/schedule.ts';
import ScheduleForm from '../../../../src-renderer/parts/run/schedule-form.svelte';

afterEach(cleanup);
const settings: TrainingSettings = {
  ...trainingDefaults,
  tokens: 1000,
  microBatch: 1,
  contextLength: 10,
  rewarmSteps: 7,
};
function renderForm(state: RunState, options: { settings?: TrainingSettings; isDecaying?: boolean } = {}) {
  const ondecay = vi.fn();
  const onextend = vi.fn();
  const { settings: own = settings, isDecaying = false } = options;
  const run = {
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
  } as unknown as RunSummary;
  render(ScheduleForm, { run, state, steps: 100, isDecaying, isBusy: false, ondecay, onextend });
  return { ondecay, onextend };
}
const type = async (label: string, value: string): Promise<void> => {
  await fireEvent.input(screen.getByLabelText(label), { target: { value } });
};

it('decays a running run over the steps that are entered, or the share in its settings', async () => {
  const { ondecay } = renderForm('running');
  expect(screen.queryByText('Extend training')).toBe(null);
  expect(screen.getByLabelText<HTMLInputElement>('Decay over').placeholder).toBe('20');
  await fireEvent.click(screen.getByText('Decay now'));
  await type('Decay over', '1k');
  await fireEvent.click(screen.getByText('Decay now'));
  await type('Decay over', 'some');
  await fireEvent.click(screen.getByText('Decay now'));
  expect(screen.getByRole('alert').textContent).toBe('Enter a whole number of steps.');
  expect(ondecay.mock.calls).toEqual([[undefined], [1000]]);
});

it('extends a finished run, with the re-warmup of its settings or the entered one', async () => {
  const { onextend } = renderForm('finished');
  expect(screen.queryByText('Decay now')).toBe(null);
  await fireEvent.click(screen.getByText('Extend training'));
  await type('Extend to', '5k');
  await type('Re-warmup', '0');
  await fireEvent.click(screen.getByText('Extend training'));
  expect(onextend.mock.calls).toEqual([
    [2000, 7],
    [5000, 0],
  ]);
});

it('decays or extends a paused run, by default without a re-warmup', async () => {
  const { onextend } = renderForm('paused');
  expect(screen.getByText('Decay now')).toBeTruthy();
  await fireEvent.click(screen.getByText('Extend training'));
  expect(onextend.mock.calls).toEqual([[2000, 0]]);
});

it('does not offer a second decay', () => {
  renderForm('running', { isDecaying: true });
  expect(screen.queryByText('Decay now')).toBe(null);
  cleanup();
  renderForm('paused', { settings: decayFrom(settings, 10, 5) });
  expect(screen.queryByText('Decay now')).toBe(null);
});
