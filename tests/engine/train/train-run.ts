/** @file Helpers for tests of training: train a run to its end or up to an event, and read what it saved. */
import { join } from 'node:path';
import { createAborter } from '../../../src-main/base/signals.ts';
import { grow } from '../../../src-main/engine/grow/grow-job.ts';
import { train } from '../../../src-main/engine/train/train-job.ts';
import { openCheckpoint, type Checkpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { newestStep, savedSteps } from '../../../src-main/store/run/runs.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { freePath } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import {
  collect,
  createTextFile,
  digestFiles,
  eventsOfType,
  growthNamed,
  neverAborted,
  planFor,
  readValues,
  smallSettings,
  type Growth,
} from '../workbench.ts';

/** A checkpoint and a text that most tests train on. */
export const tinyCheckpoint = makeTinyCheckpoint('llama', { tokenizer: true });
export const textFile = createTextFile();

/** Grows the tiny checkpoint, by the title of a growth or by a growth, and returns the new folder. */
export async function growTiny(growth: string | Growth): Promise<string> {
  const source = await tinyCheckpoint;
  const out = freePath('grown');
  const plan = await planFor(source, typeof growth === 'string' ? growthNamed(growth) : growth);
  await collect(grow({ source, out, plan, device: 'cpu' }, neverAborted));
  return out;
}

/** Target tokens of one step of `smallSettings`. */
export const tokensPerSmallStep = smallSettings.microBatch * smallSettings.contextLength;

/** Trains a run until it stops. Returns the events of this session. */
export const trainRun = (run: string): Promise<readonly RunEvent[]> => collect(train({ run }, neverAborted));

/** Trains a run and asks it to stop at the first event that `isLast` accepts. Returns the events. */
export async function trainUntil(
  run: string,
  isLast: (event: RunEvent) => boolean,
): Promise<readonly RunEvent[]> {
  const { signal, abort } = createAborter();
  const events: RunEvent[] = [];
  for await (const event of train({ run }, signal)) {
    events.push(event);
    if (isLast(event)) abort();
  }
  return events;
}

/** Trains a run and asks it to stop after this step. */
export const trainUntilStep = (run: string, step: number): Promise<readonly RunEvent[]> =>
  trainUntil(run, (event) => event.type === 'step' && event.step === step);

export const lossesOf = (events: readonly RunEvent[]): readonly number[] =>
  eventsOfType(events, 'step').map((event) => event.loss);

export const stepNumbersOf = (events: readonly RunEvent[]): readonly number[] =>
  eventsOfType(events, 'step').map((event) => event.step);

/** 1, 2, …, `last`. */
export const stepsTo = (last: number): readonly number[] => Array.from({ length: last }, (_, i) => i + 1);

/** SHA-256 of the weights and of the optimizer state in the newest checkpoint of a run. */
export const digestState = async (run: string): Promise<Readonly<Record<string, string>>> =>
  digestFiles((await newestStep(run))!.dir, (path) => path.endsWith('.safetensors'));

/** Opens the model in the newest checkpoint of a run. */
export const openNewestModel = async (run: string): Promise<Checkpoint> =>
  openCheckpoint(join((await newestStep(run))!.dir, 'model'));

/** Reads the weights in the checkpoint of a step, by name. */
export async function readModelAt(run: string, step: number): Promise<ReadonlyMap<string, Float32Array>> {
  const saved = (await savedSteps(run)).find((each) => each.step === step)!;
  const checkpoint = await openCheckpoint(join(saved.dir, 'model'));
  const weights = new Map<string, Float32Array>();
  for (const name of checkpoint.tensors.keys()) weights.set(name, await readValues(checkpoint, name));
  return weights;
}
