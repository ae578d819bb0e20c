/** @file The checkpoints of a run: lists, deletes, and goes back to an earlier one. */
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { reasonsToKeep, retentionOf, type RetainedStep } from '../../train/retention.ts';
import type { RunCheckpoint } from '../../train/run.ts';
import { modelFolder, stepFile } from '../checkpoint/moments.ts';
import { removeFolder } from '../fs/folder.ts';
import { readRun, savedSteps, shardedSteps, type SavedStep } from './folder.ts';
import { readStepRecord } from './step-record.ts';

/** The complete checkpoints of a run, oldest first, with their held-out losses. */
export const savedLosses = async (dir: string): Promise<readonly (SavedStep & RetainedStep)[]> =>
  Promise.all(
    (await savedSteps(dir)).map(async (saved) => {
      // A record that cannot be read is reported when its checkpoint is resumed.
      const record = await readStepRecord(saved).catch(() => undefined);
      return { ...saved, heldOutLoss: record?.heldOutLoss ?? null };
    }),
  );

/** The checkpoints of a run, newest first. */
export async function listCheckpoints(dir: string): Promise<readonly RunCheckpoint[]> {
  const { settings } = await readRun(dir);
  const saved = await savedLosses(dir);
  const reasons = reasonsToKeep(saved, retentionOf(settings));
  const needed = new Set(neededSteps(saved, settings.averageCheckpoints));
  const described = await Promise.all(
    saved.map(async ({ step, dir: folder, heldOutLoss }): Promise<RunCheckpoint[]> => {
      const record = await readStepRecord({ step, dir: folder }).catch(() => undefined);
      const bytes = await sizeOf(folder).catch(() => undefined);
      const time = await savedTime(folder).catch(() => undefined);
      // The trainer removes checkpoints while it works.
      if (bytes === undefined || time === undefined) return [];
      return [
        {
          step,
          model: join(folder, modelFolder),
          tokens: record?.tokens ?? null,
          loss: record?.history.losses.at(-1) ?? null,
          heldOutLoss,
          bytes,
          saved: time,
          kept: reasons.get(step)!,
          isNeeded: needed.has(step),
        },
      ];
    }),
  );
  return described.flat().reverse();
}

/** Steps without which the run cannot continue as if it had not stopped. */
const neededSteps = (saved: readonly SavedStep[], averageCheckpoints: number): readonly number[] =>
  saved.slice(-Math.max(1, averageCheckpoints)).map(({ step }) => step);

/** When a checkpoint was saved: the time of its record, or of its folder if the record is missing. */
async function savedTime(folder: string): Promise<string> {
  const { mtime } = await stat(join(folder, stepFile)).catch(() => stat(folder));
  return mtime.toISOString();
}

/** Bytes of all files below a folder. */
async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const sizes = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async (entry) => (await stat(join(entry.parentPath, entry.name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** The checkpoint of a step. Throws `run/no-step`. */
export async function findStep(dir: string, step: number): Promise<SavedStep> {
  const saved = await savedSteps(dir);
  return (
    saved.find((one) => one.step === step) ??
    refuse('run/no-step', { run: basename(dir), step, saved: saved.map((one) => one.step) })
  );
}

/** Deletes a checkpoint. Throws `run/no-step`, and `run/needed-checkpoint` for one that a resume needs. */
export async function deleteCheckpoint(dir: string, step: number): Promise<void> {
  const found = await findStep(dir, step);
  const { settings } = await readRun(dir);
  const saved = await savedSteps(dir);
  if (neededSteps(saved, settings.averageCheckpoints).includes(step))
    refuse('run/needed-checkpoint', {
      run: basename(dir),
      step,
      why:
        step === saved.at(-1)!.step ? 'the run continues from it' : 'it is part of the average of the newest',
    });
  await removeFolder(found.dir);
}

/**
 * Makes the checkpoint of `step` the newest one, by deleting those after it, newest first: whatever interrupts this
 * leaves a run that can be resumed, and asked again. The next session removes the events after the step. The run must
 * be locked. Throws `run/no-step`.
 */
export async function deleteLaterCheckpoints(dir: string, step: number): Promise<void> {
  await findStep(dir, step);
  const later = [...(await shardedSteps(dir)), ...(await savedSteps(dir))].filter(
    (saved) => saved.step > step,
  );
  for (const { dir: folder } of later.toSorted((a, b) => b.step - a.step)) await removeFolder(folder);
}
