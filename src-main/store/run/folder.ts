/** @file What a run's folder says about it: settings, saved steps, state. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { appError, refuse } from '../../base/errors.ts';
import type { RunEvent, RunSettings, RunState } from '../../train/run.ts';
import { trainingDefaults, type TrainingSettings } from '../../train/settings.ts';
import { exists, isObject, readJson } from '../fs/files.ts';
import { activityOf } from './state.ts';

export const settingsFile = (dir: string): string => join(dir, 'settings.json');
export const stopFile = (dir: string): string => join(dir, 'stop');
export const decayFile = (dir: string): string => join(dir, 'decay');
export const stepsFolder = (dir: string): string => join(dir, 'checkpoints');

export const isRun = (dir: string): Promise<boolean> => exists(settingsFile(dir));

/** settings.json of a run; settings that came after it was written are at their defaults. */
export async function readRun(dir: string): Promise<RunSettings> {
  if (!(await isRun(dir))) return refuse('run/not-found', { run: dir });
  const value = await readJson(settingsFile(dir)).catch((error: unknown) => {
    throw appError('run/damaged', { run: dir, why: (error as Error).message });
  });
  if (
    !isObject(value) ||
    value['version'] !== 1 ||
    typeof value['checkpoint'] !== 'string' ||
    !Array.isArray(value['data']) ||
    !isObject(value['settings'])
  )
    return refuse('run/damaged', { run: dir, why: 'settings.json is not that of a run' });
  const run = value as unknown as RunSettings;
  return { ...run, settings: { ...trainingDefaults, ...(run.settings as Partial<TrainingSettings>) } };
}

export const stopAsked = (dir: string): boolean => existsSync(stopFile(dir));

const stepName = /^step-(\d{6,})$/;

/** Complete training checkpoints, oldest first. */
export async function savedSteps(
  dir: string,
): Promise<readonly { readonly step: number; readonly dir: string }[]> {
  const names = await readdir(stepsFolder(dir)).catch(() => []);
  return names
    .flatMap((name) => {
      const found = stepName.exec(name);
      return found ? [{ step: Number(found[1]), dir: resolve(stepsFolder(dir), name) }] : [];
    })
    .sort((a, b) => a.step - b.step);
}

/** The newest complete training checkpoint, or null. */
export const newestStep = async (
  dir: string,
): Promise<{ readonly step: number; readonly dir: string } | null> => (await savedSteps(dir)).at(-1) ?? null;

/**
 * What a run is at: what its live process says, or else what its last event says; without either it was
 * interrupted.
 */
export async function stateOf(dir: string, newest: RunEvent | undefined): Promise<RunState> {
  const active = await activityOf(dir);
  if (active) return active.state === 'running' && stopAsked(dir) ? 'pausing' : (active.state as RunState);
  if (newest?.at !== 'stopped') return 'interrupted';
  return newest.reason === 'finished' ? 'finished' : newest.reason === 'asked' ? 'paused' : 'failed';
}
