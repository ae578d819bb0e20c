/** @file The files of a run's folder: settings, checkpoints, requests, and the state that they imply. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { createError, refuse } from '../../base/errors.ts';
import { launchSettings } from '../../train/launch.ts';
import { runVersion, type RunEvent, type RunSettings, type RunState } from '../../train/run.ts';
import { storedSettingsSchema } from '../../train/settings.ts';
import { storedStages } from '../../train/stages.ts';
import { exists, isObject, readJson, readRegularFile } from '../fs/files.ts';
import { getReplacedName, restoreReplacedFolder } from '../fs/stale-folders.ts';
import { activityOf, readMark } from './state.ts';
import { translateSettings } from './version-1.ts';

export const settingsFile = (dir: string): string => join(dir, 'settings.json');
export const stopFile = (dir: string): string => join(dir, 'stop');
export const decayFile = (dir: string): string => join(dir, 'decay');
export const growFile = (dir: string): string => join(dir, 'grow');
export const stepsFolder = (dir: string): string => join(dir, 'checkpoints');

/** Sharded checkpoints, which only PyTorch reads. */
const shardsFolder = (dir: string): string => join(dir, 'torch', 'sharded');

export const isRun = (dir: string): Promise<boolean> => exists(settingsFile(dir));

const storedRun = z
  .object({
    version: z.literal(runVersion),
    name: z.string(),
    created: z.string(),
    checkpoint: z.string().min(1),
    data: z.array(z.string().min(1)),
    weights: z.array(z.number().positive().max(1e9)).optional(),
    validation: z.array(z.string().min(1)).min(1).optional(),
    field: z.string().optional(),
    settings: storedSettingsSchema,
    stages: storedStages.optional(),
    launch: launchSettings.optional(),
  })
  .refine(({ data, weights }) => weights === undefined || weights.length === data.length, {
    path: ['weights'],
    message: 'there must be one for each item of data',
  });

/** The format version of a settings.json; undefined if it names none. */
const versionOf = (value: unknown): unknown => (isObject(value) ? value['version'] : undefined);

/**
 * Reads settings.json. A setting that the file lacks has its default; version 1 is translated. Throws
 * `run/not-found`, or `run/damaged` with the field that is wrong.
 */
export async function readRun(dir: string): Promise<RunSettings> {
  if (!(await isRun(dir))) return refuse('run/not-found', { run: dir });
  const damaged = (why: string): Error => createError('run/damaged', { run: dir, why });
  const value = await readJson(settingsFile(dir)).catch((error: unknown) => {
    throw damaged((error as Error).message);
  });
  const version = versionOf(value);
  if (typeof version === 'number' && version > runVersion)
    throw damaged(`settings.json has version ${version}, and this Cambium reads up to ${runVersion}`);
  const parsed = storedRun.safeParse(version === 1 && isObject(value) ? translateRun(value) : value);
  if (parsed.success) return parsed.data as RunSettings;
  const { path, message } = parsed.error.issues[0]!;
  throw damaged(`settings.json, ${path.join('.') || 'the whole file'}: ${message}`);
}

const translateRun = (run: Readonly<Record<string, unknown>>): unknown => ({
  ...run,
  version: runVersion,
  settings: isObject(run['settings']) ? translateSettings(run['settings']) : run['settings'],
});

/** True if the folder was written by format version 1. */
export const isVersion1 = async (dir: string): Promise<boolean> =>
  versionOf(await readJson(settingsFile(dir))) === 1;

export const isStopRequested = (dir: string): boolean => existsSync(stopFile(dir));

/** The content of a stop file whose writer ends the engine although it does not answer. */
export const nowText = 'now';
/** Bytes of the longest stop file that is read. */
const maxStopBytes = 100;

/** True if a person asked to end the run at once: then its engine did not crash, whatever ended it. */
export const isStopNowRequested = async (dir: string): Promise<boolean> =>
  readRegularFile(stopFile(dir), maxStopBytes).then(
    (bytes) => bytes.toString('utf8').trim() === nowText,
    () => false,
  );

export interface SavedStep {
  readonly step: number;
  readonly dir: string;
}

const stepName = /^step-(\d{6,})$/;

/** The folders `step-<number>` in a folder, oldest first. */
async function stepFolders(folder: string): Promise<readonly SavedStep[]> {
  const names = await readdir(folder).catch(() => []);
  const replaced = names.flatMap((name) => getReplacedName(name) ?? []);
  // A process may have died while it replaced a checkpoint by another of the same step.
  const restored = replaced.filter((name) => restoreReplacedFolder(join(folder, name)));
  return [...names, ...restored]
    .flatMap((name) => {
      const match = stepName.exec(name);
      return match ? [{ step: Number(match[1]), dir: resolve(folder, name) }] : [];
    })
    .sort((a, b) => a.step - b.step);
}

/** Complete checkpoints of the run, oldest first. */
export const savedSteps = (dir: string): Promise<readonly SavedStep[]> => stepFolders(stepsFolder(dir));

/** Sharded checkpoints of a run that PyTorch trains, oldest first. */
export const shardedSteps = (dir: string): Promise<readonly SavedStep[]> => stepFolders(shardsFolder(dir));

/** The newest complete checkpoint, or null. */
export const newestStep = async (dir: string): Promise<SavedStep | null> =>
  (await savedSteps(dir)).at(-1) ?? null;

/** True if no process has worked on the run since it was created. */
const isUnbegun = async (dir: string): Promise<boolean> =>
  (await readMark(dir))?.state === 'stopped' && (await newestStep(dir)) === null;

/**
 * The state of a run: what its live process reports, or else what its last event says. Without either it was
 * interrupted.
 */
export async function stateOf(dir: string, lastEvent: RunEvent | undefined): Promise<RunState> {
  const active = await activityOf(dir);
  if (active)
    return active.state === 'running' && isStopRequested(dir) ? 'pausing' : (active.state as RunState);
  // A run that was put into the queue and never began.
  if (lastEvent === undefined && (await isUnbegun(dir))) return 'paused';
  if (lastEvent?.type !== 'stopped') return 'interrupted';
  const states = { finished: 'finished', requested: 'paused', failed: 'failed' } as const;
  return states[lastEvent.reason];
}
