/**
 * @file Helpers for tests of the PyTorch engine. They need a Python with torch and transformers: CAMBIUM_PYTHON, or
 * what `cambium torch install` installed.
 */
import { describe } from 'vitest';
import { chooseTorchPython, inspectPython } from '../../src-main/launch/python.ts';
import { createRun } from '../../src-main/store/run/runs.ts';
import { launchDefaults, type LaunchSettings } from '../../src-main/train/launch.ts';
import type { RunEvent } from '../../src-main/train/run.ts';
import type { TrainingSettings } from '../../src-main/train/settings.ts';
import { freePath } from '../support/temporary.ts';
import { eventsOfType, smallSettings } from '../engine/workbench.ts';

const report = await inspectPython(chooseTorchPython());
const why = report
  ? `${chooseTorchPython()} lacks ${report.missing.join(', ')}`
  : 'set CAMBIUM_PYTHON to a Python that has torch, transformers and safetensors';

/** The Python of these tests. */
export const python = chooseTorchPython();
const isPresent = report?.missing.length === 0;

/** A group of tests that is skipped without PyTorch, with a title that says how to run it. */
export const describeTorch = (title: string, body: () => void): void => {
  if (isPresent) describe(title, body);
  else describe.skip(`${title} (skipped: ${why})`, body);
};

/** Creates a run that PyTorch trains with `processes`; null: Cambium's own engine does. */
export async function createRunWith(
  processes: number | null,
  { checkpoint, data }: { readonly checkpoint: string; readonly data: readonly string[] },
  settings: Partial<TrainingSettings> = {},
  launch: Partial<LaunchSettings> = {},
): Promise<string> {
  const dir = freePath('run');
  await createRun(dir, {
    name: 'run',
    checkpoint,
    data,
    settings: { ...smallSettings, ...settings },
    ...(processes === null ? {} : { launch: { ...launchDefaults, processes, ...launch } }),
  });
  return dir;
}

/** The largest relative difference of two lists of numbers. */
export const relativeDifference = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((value, i) => Math.abs(value - b[i]!) / Math.max(Math.abs(value), 1e-30)));

export const gradNormsOf = (events: readonly RunEvent[]): readonly number[] =>
  eventsOfType(events, 'step').map(({ gradNorm }) => gradNorm);
