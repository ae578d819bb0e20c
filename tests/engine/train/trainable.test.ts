/** @file A run that trains a part of its weights: the others stay as they are and have no state. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findAddedEntries, maskOf } from '../../../src-main/growth/added-entries.ts';
import { stagesFromRecord } from '../../../src-main/growth/plan/saved-plan.ts';
import { openStepMoments } from '../../../src-main/store/checkpoint/moments.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { newestStep } from '../../../src-main/store/run/runs.ts';
import { createTestRun, eventsOfType, readValues } from '../workbench.ts';
import {
  digestState,
  growTiny,
  lossesOf,
  readModelAt,
  textFile,
  tinyCheckpoint,
  tokensPerSmallStep,
  trainRun,
  trainUntilStep,
} from './train-run.ts';

type Weights = ReadonlyMap<string, Float32Array>;

async function readInitial(dir: string): Promise<Weights> {
  const checkpoint = await openCheckpoint(dir);
  const weights = new Map<string, Float32Array>();
  for (const name of checkpoint.tensors.keys()) weights.set(name, await readValues(checkpoint, name));
  return weights;
}

/** Names of the weights that differ. */
const changed = (before: Weights, after: Weights): readonly string[] =>
  [...before.keys()].filter((name) => !before.get(name)!.every((value, i) => value === after.get(name)![i]));

const isNorm = (name: string): boolean => name.includes('norm');

describe.each([1, 2])('a run that trains the norms alone, with %i micro-batches per update', (gradAccum) => {
  const settings = { trainable: '*norm*', gradAccum, tokens: 6 * gradAccum * tokensPerSmallStep };

  it('changes them and nothing else, and keeps moments for nothing else', async () => {
    const source = await tinyCheckpoint;
    const run = await createTestRun(source, textFile, settings);
    await trainRun(run);
    const before = await readInitial(source);
    expect(changed(before, await readModelAt(run, 6))).toEqual([...before.keys()].filter(isNorm));
    const moments = await openStepMoments((await newestStep(run))!.dir);
    expect(moments.shapes.size).toBeGreaterThan(0);
    expect([...moments.shapes.keys()].every(isNorm)).toBe(true);
  });

  it('updates them as a run without frozen weights does, if gradients are not clipped', async () => {
    const one = { gradAccum, gradClip: 0, weightDecay: 0, tokens: gradAccum * tokensPerSmallStep };
    const part = await createTestRun(await tinyCheckpoint, textFile, { ...one, trainable: '*norm*' });
    const all = await createTestRun(await tinyCheckpoint, textFile, one);
    const [few, many] = [await trainRun(part), await trainRun(all)];
    expect(lossesOf(few)).toEqual(lossesOf(many));
    expect(eventsOfType(few, 'step')[0]!.gradNorm).toBeLessThan(eventsOfType(many, 'step')[0]!.gradNorm);
    const [trained, reference] = [await readModelAt(part, 1), await readModelAt(all, 1)];
    for (const name of [...trained.keys()].filter(isNorm))
      for (const [i, value] of trained.get(name)!.entries())
        expect(Math.abs(value - reference.get(name)![i]!)).toBeLessThan(1e-6);
  });

  it('resumes with the bytes of a run that was not stopped', async () => {
    const whole = await createTestRun(await tinyCheckpoint, textFile, settings);
    const stopped = await createTestRun(await tinyCheckpoint, textFile, settings);
    await trainRun(whole);
    await trainUntilStep(stopped, 3);
    await trainRun(stopped);
    expect(await digestState(stopped)).toEqual(await digestState(whole));
  });
});

describe('a run that unfreezes its weights', () => {
  const settings = { trainable: '*norm*', unfreezeAt: 3, emaDecay: 0.5, saveEvery: 1, averageCheckpoints: 6 };
  const uninterrupted = (async () => {
    const run = await createTestRun(await tinyCheckpoint, textFile, settings);
    const events = await trainRun(run);
    return { run, events, state: await digestState(run) };
  })();

  it('trains all of them from the next step on', async () => {
    const { run, events } = await uninterrupted;
    expect(events.at(-1)).toMatchObject({ type: 'stopped', reason: 'finished', step: 6 });
    const [at3, at4] = [await readModelAt(run, 3), await readModelAt(run, 4)];
    const before = await readInitial(await tinyCheckpoint);
    expect(changed(before, at3).every(isNorm)).toBe(true);
    expect(changed(at3, at4)).toHaveLength(before.size);
  });

  it('begins their moments as at a first update', async () => {
    const { run } = await uninterrupted;
    const [at3, at4] = [await readModelAt(run, 3), await readModelAt(run, 4)];
    const lr = eventsOfType((await uninterrupted).events, 'step')[3]!.lr;
    // The first step of AdamW moves every value by the learning rate, whatever its gradient.
    const steps = [...at3.keys()]
      .filter((name) => name.includes('mlp'))
      .flatMap((name) => [...at3.get(name)!].map((value, i) => Math.abs(value - at4.get(name)![i]!)));
    const largest = Math.max(...steps);
    expect(largest).toBeGreaterThan(0.5 * lr);
    expect(largest).toBeLessThan(1.2 * lr);
  });

  it.each([2, 3, 4])('continues as if it had not been stopped after step %i', async (step) => {
    const run = await createTestRun(await tinyCheckpoint, textFile, settings);
    await trainUntilStep(run, step);
    await trainRun(run);
    expect(await digestState(run)).toEqual((await uninterrupted).state);
  });
});

describe('a run that trains what is new', () => {
  it('trains the identity blocks of a grown checkpoint alone', async () => {
    const grown = await growTiny('identity');
    const run = await createTestRun(grown, textFile, { trainable: 'new' });
    await trainRun(run);
    const before = await readInitial(grown);
    const names = changed(before, await readModelAt(run, 6));
    const { growth } = await openCheckpoint(join((await newestStep(run))!.dir, 'model'));
    const { layers } = growth!.plan as { layers: readonly { identity: boolean }[] };
    const inserted = layers.flatMap(({ identity }, i) => (identity ? [i] : []));
    const layerOf = (name: string): number => Number(/layers\.(\d+)\./.exec(name)?.[1] ?? -1);
    expect(names.length).toBeGreaterThan(0);
    expect([...new Set(names.map(layerOf))].sort((a, b) => a - b)).toEqual(inserted);
  });

  const widening = ['copy-pad', 'hypercloning'];

  it.each(widening)('trains the new entries inside of weights grown by %s alone', async (method) => {
    const grown = await growTiny(method);
    const settings = { trainable: 'new', gradAccum: 2, tokens: 6 * 2 * tokensPerSmallStep };
    const run = await createTestRun(grown, textFile, settings);
    await trainUntilStep(run, 3);
    await trainRun(run);
    const [before, after] = [await readInitial(grown), await readModelAt(run, 6)];
    const { growth } = await openCheckpoint(grown);
    const entries = findAddedEntries(stagesFromRecord(growth));
    let moved = 0;
    for (const [name, values] of after) {
      const added = entries.get(name);
      const mask = added ? maskOf(added, [values.length]) : new Float32Array(values.length);
      for (const [i, value] of values.entries()) {
        const hasMoved = value !== before.get(name)![i];
        if (hasMoved) moved++;
        if (mask[i] === 0) expect(hasMoved, `${name}[${i}]`).toBe(false);
      }
    }
    expect(moved).toBeGreaterThan(0);
    const whole = await createTestRun(grown, textFile, settings);
    await trainRun(whole);
    expect(await digestState(run)).toEqual(await digestState(whole));
  });

  it('fails on a checkpoint that was not grown', async () => {
    const run = await createTestRun(await tinyCheckpoint, textFile, { trainable: 'new' });
    const [stopped] = eventsOfType(await trainRun(run), 'stopped');
    expect(stopped).toMatchObject({ reason: 'failed', error: { code: 'run/bad-setting' } });
  });
});
