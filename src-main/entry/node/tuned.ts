/** @file The flag --tuned: settings that a tuning found, unless the same setting is given by its own flag. */
import { basename, dirname, resolve } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { Service } from '../../contract/service.ts';
import {
  bestTrial,
  settingsOfValues,
  stepsOf,
  tuningFile,
  type TrainingSettings,
} from '../../service/catalog.ts';
import { findFlag } from './arguments.ts';
import { getText, type Options } from './command.ts';

export const tunedFlag = [
  '--tuned <dir>',
  'use the learning rate, weight decay, warmup and µP base that `cambium tune` found',
] as const;

/** The settings with those of the tuning. Throws `tune/not-found`, and `tune/no-result` before a trial has finished. */
export async function withTuned(
  api: Service,
  settings: TrainingSettings,
  options: Options,
): Promise<TrainingSettings> {
  const given = getText(options['tuned']);
  if (given === undefined) return settings;
  const path = resolve(given);
  const { dir, tuning } = await api.tuning({ dir: basename(path) === tuningFile ? dirname(path) : path });
  const best = bestTrial(tuning, 'source') ?? refuse('tune/no-result', { path: dir });
  const found = settingsOfValues(best.values, tuning.mupBase, stepsOf(settings));
  const taken = Object.entries(found).filter(([id]) => findFlag(options, id) === undefined);
  return { ...settings, ...Object.fromEntries(taken) };
}
