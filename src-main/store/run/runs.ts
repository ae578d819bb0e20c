/**
 * @file A run's folder: what was asked, what happened, complete training checkpoints, and whether anybody is
 * at work.
 */
import { readFileSync } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { RunEvent, RunSettings } from '../../train/run.ts';
import type { TrainingSettings } from '../../train/settings.ts';
import { isAbsent, writeJson, writing } from '../fs/files.ts';
import { openEventLog } from './events.ts';
import { removeFolder, sweepPartials, writeFolder } from '../fs/folder.ts';
import { decayFile, readRun, savedSteps, settingsFile, stepsFolder, stopAsked, stopFile } from './folder.ts';
import { activityOf, holdRun, readMark, writeMark } from './state.ts';
import { openTensorBoard } from './tensorboard.ts';

export { runCard } from './summary.ts';
export { isRun, newestStep, readRun, savedSteps, stateOf } from './folder.ts';

export type RunRequest = Omit<RunSettings, 'version' | 'created'>;

/** A new run's folder, whole or not at all; an existing one is refused. */
export async function createRun(
  dir: string,
  { name, checkpoint, data, settings, ...reading }: RunRequest,
): Promise<RunSettings> {
  const made: RunSettings = {
    version: 1,
    name,
    created: new Date().toISOString(),
    checkpoint,
    data,
    ...reading,
    settings,
  };
  await writeFolder(dir, async (temporary) => {
    await mkdir(stepsFolder(temporary));
    await writeJson(settingsFile(temporary), made);
    await writeMark(temporary, 'preparing');
  });
  return made;
}

/**
 * Marks the run as being prepared by this process, and forgets an old request to stop; refuses a run that
 * another process is at.
 */
export async function claimRun(dir: string): Promise<void> {
  const active = await activityOf(dir);
  if (active && active.pid !== process.pid) refuse('run/already-running', { run: basename(dir) });
  await rm(stopFile(dir), { force: true });
  await writeMark(dir, 'preparing');
}

/** Writes new settings of a run that this process holds or has claimed; they answer a request to decay. */
export async function changeSettings(dir: string, settings: TrainingSettings): Promise<void> {
  await writeJson(settingsFile(dir), { ...(await readRun(dir)), settings } satisfies RunSettings);
  await rm(decayFile(dir), { force: true });
}

/**
 * Asks a live run to let its learning rate fall from its next step on, over `steps` steps, or over the
 * cool-down's share of the run when undefined.
 */
export const requestDecay = (dir: string, steps?: number): Promise<void> =>
  writeJson(decayFile(dir), { steps: steps ?? null });

/** Asks the run to save and stop at its next step. */
export const requestStop = (dir: string): Promise<void> =>
  writing(dir, async () => {
    await (await open(stopFile(dir), 'w')).close();
  });

/** The trainer's side of a run: it alone writes. */
export interface RunSession {
  /** On the disk's way before the promise settles, and before anybody else is told. */
  append(event: RunEvent): Promise<void>;
  setState(state: 'preparing' | 'running' | 'pausing'): Promise<void>;
  stopAsked(): boolean;
  /** The request to decay, if there is one. */
  decayAsked(): { readonly steps?: number } | undefined;
  /** `changeSettings` of this run. */
  reschedule(settings: TrainingSettings): Promise<void>;
  /** Brings every event told so far to the disk. */
  sync(): Promise<void>;
  /** Lets the run go; what state it is in follows from its last event. */
  close(): Promise<void>;
}

function decayAsked(dir: string): { readonly steps?: number } | undefined {
  try {
    const { steps } = JSON.parse(readFileSync(decayFile(dir), 'utf8')) as { steps: unknown };
    return typeof steps === 'number' && Number.isInteger(steps) && steps > 0 ? { steps } : {};
  } catch (error) {
    if (isAbsent(error)) return undefined;
    return {}; // it was asked, in words that say no number
  }
}

/**
 * Holds the run for this process. `after` is the step of the checkpoint it goes on from: later events are
 * taken back.
 */
export async function openSession(
  dir: string,
  options: { readonly after?: number } = {},
): Promise<RunSession> {
  const hold = await holdRun(dir);
  let told = false;
  try {
    const log = await openEventLog(dir, options);
    const board = await openTensorBoard(dir, options.after ?? 0);
    return {
      async append(event) {
        told = event.at === 'stopped';
        await log.append(event);
        await board.append(event);
      },
      setState: (state) => hold.setState(state),
      stopAsked: () => stopAsked(dir),
      decayAsked: () => decayAsked(dir),
      reschedule: (settings) => changeSettings(dir, settings),
      sync: () => log.sync(),
      async close() {
        await log.close();
        await board.close();
        await rm(stopFile(dir), { force: true });
        await hold.release(told);
      },
    };
  } catch (error) {
    await hold.release(false);
    throw error;
  }
}

/**
 * Writes the last line of a run whose process ended without one; a run that has its last line stays as it is.
 */
export async function closeRun(dir: string, event: Extract<RunEvent, { at: 'stopped' }>): Promise<void> {
  const active = await activityOf(dir);
  if (active && active.pid !== process.pid) refuse('run/already-running', { run: basename(dir) });
  if ((await readMark(dir))?.told) return;
  const hold = await holdRun(dir);
  try {
    const log = await openEventLog(dir);
    try {
      await log.append(event);
    } finally {
      await log.close();
    }
    await rm(stopFile(dir), { force: true });
  } finally {
    await hold.release(true);
  }
}

/**
 * Saves a training checkpoint, complete or absent, and keeps it and the one before it. Answers with its
 * folder.
 */
export async function saveStep(
  dir: string,
  step: number,
  fill: (temporary: string) => Promise<void>,
  { needed = 0, kept = 2 } = {},
): Promise<string> {
  const target = resolve(stepsFolder(dir), `step-${String(step).padStart(6, '0')}`);
  await writeFolder(target, fill, { needed, replace: true });
  await sweepPartials(stepsFolder(dir));
  for (const old of (await savedSteps(dir)).slice(0, -kept)) await removeFolder(old.dir);
  return target;
}
