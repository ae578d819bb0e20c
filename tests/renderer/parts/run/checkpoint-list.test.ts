import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import type { RunCheckpoint, RunState } from '../../../../src-main/contract/schema.ts';
import { createError } from '../../../../src-main/base/errors.ts';
import CheckpointList from '../../../../src-renderer/parts/run/checkpoint-list.svelte';

afterEach(cleanup);

const checkpoint = (step: number, more: Partial<RunCheckpoint> = {}): RunCheckpoint => ({
  step,
  model: `/run/checkpoints/step-${step}/model`,
  tokens: 1000 * step,
  loss: 2.5,
  heldOutLoss: null,
  bytes: 12_600_000,
  saved: '2026-11-01T00:00:00.000Z',
  kept: ['newest'],
  isNeeded: false,
  ...more,
});
const checkpoints = [
  checkpoint(60, { isNeeded: true }),
  checkpoint(40, { heldOutLoss: 2.25, kept: ['best', 'every'] }),
  checkpoint(20, { tokens: null, loss: null }),
];

async function renderList(state: RunState = 'paused') {
  const deleteCheckpoint = vi.fn(({ step }: { step: number }) =>
    Promise.resolve(checkpoints.filter((one) => one.step !== step)),
  );
  const onexport = vi.fn();
  const onresume = vi.fn();
  render(CheckpointList, {
    id: 'r',
    state,
    keepEvery: 20,
    savedStep: 60,
    service: { runCheckpoints: () => Promise.resolve(checkpoints), deleteCheckpoint } as never,
    onexport,
    onresume,
  });
  await screen.findByRole('table');
  return { deleteCheckpoint, onexport, onresume };
}

const toLine = (text: string): string => text.replace(/\s+/g, ' ').trim();
const namesOf = (pattern: RegExp): readonly string[] =>
  screen.queryAllByRole('button', { name: pattern }).map((button) => toLine(button.textContent));

it('shows the steps, with what is known and why they are kept', async () => {
  await renderList();
  const rows = screen
    .getAllByRole('row')
    .slice(1)
    .map((row) => [...row.querySelectorAll('th, td')].map((cell) => toLine(cell.textContent)));
  const loss: unknown = expect.stringMatching(/^2\.5/);
  const heldOut: unknown = expect.stringMatching(/^2\.25/);
  expect(rows[1]!.slice(0, 5)).toEqual(['40', '40.0 k', loss, heldOut, '12.6 MB']);
  expect(rows[1]![6]).toBe('best every 20');
  expect(rows[2]!.slice(0, 5)).toEqual(['20', '–', '–', '–', '12.6 MB']);
});

it('offers to delete what is not needed, and to go back to what is not the newest', async () => {
  await renderList();
  expect(namesOf(/^Delete/)).toEqual(['Delete step 40', 'Delete step 20']);
  expect(namesOf(/^Go back/)).toEqual(['Go back to step 40', 'Go back to step 20']);
  expect(namesOf(/^Export/)).toHaveLength(3);
});

it('deletes only after a question, whose answer has the focus', async () => {
  const { deleteCheckpoint } = await renderList();
  await fireEvent.click(screen.getByRole('button', { name: 'Delete step 40' }));
  await fireEvent.click(screen.getByRole('button', { name: 'Cancel' }));
  expect(deleteCheckpoint).not.toHaveBeenCalled();
  await fireEvent.click(screen.getByRole('button', { name: 'Delete step 40' }));
  const answer = screen.getByRole('button', { name: 'Delete' });
  await waitFor(() => {
    expect(document.activeElement).toBe(answer);
  });
  await fireEvent.click(answer);
  expect(deleteCheckpoint).toHaveBeenCalledWith({ id: 'r', step: 40 });
  await waitFor(() => {
    expect(namesOf(/^Delete/)).toEqual(['Delete step 20']);
  });
});

it('says what going back deletes', async () => {
  const { onresume } = await renderList();
  await fireEvent.click(screen.getByRole('button', { name: 'Go back to step 40' }));
  screen.getByText(/The checkpoint of step 60 and the events after step 40 are deleted\./);
  await fireEvent.click(screen.getByRole('button', { name: 'Cancel' }));
  await fireEvent.click(screen.getByRole('button', { name: 'Go back to step 20' }));
  screen.getByText(/2 later checkpoints and the events after step 20 are deleted\./);
  await fireEvent.click(screen.getByRole('button', { name: 'Delete and resume' }));
  expect(onresume).toHaveBeenCalledWith(20);
});

it('does not go back while the run trains', async () => {
  await renderList('running');
  const back = screen.getByRole<HTMLButtonElement>('button', { name: 'Go back to step 40' });
  expect(back.disabled).toBe(true);
});

it('shows the error of a checkpoint that cannot be deleted, and keeps the list', async () => {
  const { deleteCheckpoint } = await renderList();
  const why = 'the run continues from it';
  deleteCheckpoint.mockRejectedValueOnce(createError('run/needed-checkpoint', { run: 'r', step: 40, why }));
  await fireEvent.click(screen.getByRole('button', { name: 'Delete step 40' }));
  await fireEvent.click(screen.getByRole('button', { name: 'Delete' }));
  await screen.findByText(/the run continues from it/i);
  expect(namesOf(/^Export/)).toHaveLength(3);
});
