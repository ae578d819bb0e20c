/** @file Creates, trains and closes run folders: settings, events, checkpoints, and one trainer at a time. */
import { mkdir, rm } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { z } from 'zod';
import { refuse } from '../../base/errors.ts';
import { parseJson } from '../../base/json.ts';
import type { LaunchSettings } from '../../train/launch.ts';
import { runVersion, type RunEvent, type RunSettings, type StoppedEvent } from '../../train/run.ts';
import { defaultRetention, reasonsToKeep, type Retention } from '../../train/retention.ts';
import type { TrainingSettings } from '../../train/settings.ts';
import type { RunStage } from '../../train/stages.ts';
import { isNotFound, readRegularFileSync, removeStaleFiles, writeJson, writeText } from '../fs/files.ts';
import { removeFolder, writeFolder } from '../fs/folder.ts';
import { removeStaleFolders } from '../fs/stale-folders.ts';
import { openEventLog, upgradeEvents } from './event-log.ts';
import {
  decayFile,
  isStopRequested,
  isVersion1,
  nowText,
  readRun,
  settingsFile,
  stepsFolder,
  stopFile,
} from './folder.ts';
import { isGrowthRequested } from './stage-files.ts';
import { deleteLaterCheckpoints, savedLosses } from './checkpoints.ts';
import { holdRun, readMark, watchActivity, withRunLock, writeMark } from './state.ts';
import { openTensorBoard } from './tensorboard.ts';

export { summarizeRun } from './summary.ts';
export { isRun, isStopNowRequested, newestStep, readRun, savedSteps, stateOf } from './folder.ts';

export type RunRequest = Omit<RunSettings, 'version' | 'created'>;

/**
 * Creates a run's folder, complete or not at all, in the place of an empty one. It counts as prepared by this process,
 * unless it `isWaiting`. Throws `file/exists`.
 */
export async function createRun(
  dir: string,
  request: RunRequest,
  { isWaiting = false } = {},
): Promise<RunSettings> {
  const { name, checkpoint, data, settings, ...reading } = request;
  const created = new Date().toISOString();
  const run: RunSettings = { version: runVersion, name, created, checkpoint, data, ...reading, settings };
  const fill = async (temporary: string): Promise<void> => {
    await mkdir(stepsFolder(temporary));
    await writeJson(settingsFile(temporary), run);
    await writeMark(temporary, isWaiting ? 'stopped' : 'preparing');
  };
  // Samples and logs repeat private text.
  await writeFolder(dir, fill, { isPrivate: true, mayBeEmpty: true });
  return run;
}

/** Throws `run/already-running` if another process works on the run. */
async function checkNoOtherProcess(dir: string): Promise<void> {
  const active = await watchActivity(dir);
  if (active && active.pid !== process.pid) refuse('run/already-running', { run: basename(dir) });
}

/** What changes when a run is resumed; what is absent stays. */
export interface RunChanges {
  /** The checkpoint to continue from; later ones are deleted. */
  readonly step?: number;
  readonly settings?: TrainingSettings;
  /** Another engine; null: Cambium's own. */
  readonly launch?: LaunchSettings | null;
  readonly stages?: readonly RunStage[];
}

/**
 * Marks the run as being prepared by this process, removes an old stop request, and makes the changes. Throws
 * `run/already-running` and `run/no-step`.
 */
export const claimRun = (dir: string, { step, settings, launch, stages }: RunChanges = {}): Promise<void> =>
  withRunLock(dir, async () => {
    await checkNoOtherProcess(dir);
    await rm(stopFile(dir), { force: true });
    if (step !== undefined) await deleteLaterCheckpoints(dir, step);
    if (settings) await changeSettings(dir, settings);
    if (stages) await writeJson(settingsFile(dir), { ...(await readRun(dir)), stages } satisfies RunSettings);
    if (launch !== undefined) await changeLaunch(dir, launch);
    await writeMark(dir, 'preparing');
  });

/** Writes new settings of a run that this process holds or has claimed. A decay request is then answered. */
export async function changeSettings(dir: string, settings: TrainingSettings): Promise<void> {
  await writeJson(settingsFile(dir), { ...(await readRun(dir)), settings } satisfies RunSettings);
  await rm(decayFile(dir), { force: true });
}

/** Changes the engine of a run, or its processes; null: Cambium's own engine. */
async function changeLaunch(dir: string, launch: LaunchSettings | null): Promise<void> {
  const run: { -readonly [K in keyof RunSettings]: RunSettings[K] } = { ...(await readRun(dir)) };
  delete run.launch;
  if (launch) run.launch = launch;
  await writeJson(settingsFile(dir), run);
}

/**
 * Asks a live run to decay its learning rate from the next step on, over `steps` steps (default: the decay
 * fraction of the run), and then to end.
 */
export const requestDecay = (dir: string, steps?: number): Promise<void> =>
  writeJson(decayFile(dir), { steps: steps ?? null });

/** Asks the run to save and stop at its next step. With `now`, its engine is about to be ended. */
export const requestStop = (dir: string, { now = false } = {}): Promise<void> =>
  writeText(stopFile(dir), now ? nowText : '', { isDurable: false });

/** A request to decay; `steps` is absent for the default. */
export interface DecayRequest {
  readonly steps?: number;
}

/** The trainer's side of a run. It is the only writer. */
export interface RunSession {
  /** Appends an event. It is written when the promise resolves, and not at all when it rejects. */
  append(event: RunEvent): Promise<void>;
  setState(state: 'preparing' | 'running' | 'pausing'): Promise<void>;
  isStopRequested(): boolean;
  decayRequest(): DecayRequest | undefined;
  /** True if a person asked to end stage `stage` (from 1) and to grow. */
  isGrowthRequested(stage: number): boolean;
  /** Writes changed settings. */
  reschedule(settings: TrainingSettings): Promise<void>;
  /**
   * Flushes all appended events to the disk, so that a checkpoint never stands without the events before it. Throws
   * `run/taken-over` if another process works on the run by now.
   */
  sync(): Promise<void>;
  /** Releases the run. Its state follows from its last event. */
  close(): Promise<void>;
}

const storedDecay = z.object({ steps: z.number().int().positive().nullable() });

function readDecayRequest(dir: string): DecayRequest | undefined {
  try {
    const { steps } = parseJson(readRegularFileSync(decayFile(dir)).toString('utf8'), storedDecay);
    return steps === null ? {} : { steps };
  } catch (error) {
    // A file that cannot be read is still a request.
    return isNotFound(error) ? undefined : {};
  }
}

/**
 * Locks the run for this process and opens it for writing. `after` is the step of the checkpoint that it
 * continues, and `stage` its stage: events of later steps and stages are removed. A folder of version 1 becomes one
 * of version 2.
 */
export async function openSession(
  dir: string,
  options: { readonly after?: number; readonly stage?: number } = {},
): Promise<RunSession> {
  const hold = await holdRun(dir);
  let hasStopped = false;
  try {
    await removeStaleFiles(dir);
    if (await isVersion1(dir)) {
      await upgradeEvents(dir);
      await writeJson(settingsFile(dir), await readRun(dir));
    }
    const log = await openEventLog(dir, options);
    const board = await openTensorBoard(dir, options.after ?? 0);
    return {
      async append(event) {
        await log.append(event);
        hasStopped = event.type === 'stopped';
        await board.append(event);
      },
      setState: (state) => hold.setState(state),
      isStopRequested: () => isStopRequested(dir),
      decayRequest: () => readDecayRequest(dir),
      isGrowthRequested: (stage) => isGrowthRequested(dir, stage),
      reschedule: (settings) => changeSettings(dir, settings),
      async sync() {
        await hold.check();
        await log.sync();
      },
      async close() {
        await log.close();
        await board.close();
        await rm(stopFile(dir), { force: true });
        await hold.release(hasStopped);
      },
    };
  } catch (error) {
    await hold.release(false);
    throw error;
  }
}

/**
 * Writes the last event of a run whose process ended without one. A run that has one stays as it is: several processes
 * may have seen that the engine ended.
 */
export const closeRun = (dir: string, event: StoppedEvent): Promise<void> =>
  withRunLock(dir, async () => {
    await checkNoOtherProcess(dir);
    if ((await readMark(dir))?.hasStopped) return;
    const log = await openEventLog(dir);
    try {
      await log.append(event);
    } finally {
      await log.close();
    }
    await rm(stopFile(dir), { force: true });
    await writeMark(dir, 'stopped', true);
  });

/** Saves a checkpoint, complete or not at all, and removes those that are not retained. Returns its folder. */
export async function saveStep(
  dir: string,
  step: number,
  fill: (temporary: string) => Promise<void>,
  {
    requiredBytes = 0,
    retention = defaultRetention,
  }: { readonly requiredBytes?: number; readonly retention?: Retention } = {},
): Promise<string> {
  const target = resolve(stepsFolder(dir), `step-${String(step).padStart(6, '0')}`);
  await writeFolder(target, fill, { requiredBytes, replace: true });
  await removeStaleFolders(stepsFolder(dir));
  const saved = await savedLosses(dir);
  const reasons = reasonsToKeep(saved, retention);
  for (const old of saved) if (reasons.get(old.step)!.length === 0) await removeFolder(old.dir);
  return target;
}
