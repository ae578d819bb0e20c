/**
 * @file What a run keeps, measures and changes beside its weights: averages, the size of its updates,
 * learning from the source, how far copies part, decaying and training further.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createAborter } from '../../../src-main/base/signals.ts';
import { exportRun } from '../../../src-main/engine/export/export-job.ts';
import { grow } from '../../../src-main/engine/grow/grow-job.ts';
import { train } from '../../../src-main/engine/train/train-job.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { readEvents } from '../../../src-main/store/run/events.ts';
import {
  changeSettings,
  newestStep,
  readRun,
  requestDecay,
  summarizeRun,
  savedSteps,
} from '../../../src-main/store/run/runs.ts';
import { optimizerIds } from '../../../src-main/train/optimizers/index.ts';
import { decayFrom, extend, learningRate } from '../../../src-main/train/schedule.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freePath } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import {
  collect,
  digestFiles,
  growthNamed,
  createTestRun,
  eventsOfType,
  planFor,
  neverAborted,
  smallSettings,
  createTextFile,
  readValues,
  type Growth,
} from '../workbench.ts';

const tiny = makeTinyCheckpoint('llama', { tokenizer: true });
const text = createTextFile();
const perStep = smallSettings.microBatch * smallSettings.contextLength;
const ran = async (dir: string): Promise<readonly RunEvent[]> => collect(train({ run: dir }, neverAborted));
const stateOf = async (dir: string): Promise<unknown> =>
  digestFiles((await newestStep(dir))!.dir, (path) => path.endsWith('.safetensors'));
const modelAt = async (dir: string, step: number): Promise<Map<string, Float32Array>> => {
  const { dir: at } = (await savedSteps(dir)).find((s) => s.step === step)!;
  const checkpoint = await openCheckpoint(join(at, 'model'));
  const out = new Map<string, Float32Array>();
  for (const name of checkpoint.tensors.keys()) out.set(name, await readValues(checkpoint, name));
  return out;
};
const exported = async (
  run: string,
  weights: 'raw' | 'ema' | 'average',
): Promise<{ values(name: string): Promise<Float32Array>; card: string }> => {
  const out = freePath(`export-${weights}`);
  expect((await collect(exportRun({ run, out, dtype: 'keep', weights }, neverAborted))).at(-1)).toMatchObject({
    type: 'done',
  });
  const checkpoint = await openCheckpoint(out);
  return { values: (name) => readValues(checkpoint, name), card: out };
};
const worst = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);
const grown = async (title: string | Growth): Promise<string> => {
  const out = freePath('grown');
  await collect(
    grow(
      {
        source: await tiny,
        out,
        plan: await planFor(await tiny, typeof title === 'string' ? growthNamed(title) : title),
        device: 'cpu',
      },
      neverAborted,
    ),
  );
  return out;
};

describe('averages', () => {
  const settings = { tokens: 8 * perStep, saveEvery: 1, evaluateEvery: 4, emaDecay: 0.6, averageCheckpoints: 8 };
  const run = (async () => {
    const dir = await createTestRun(await tiny, text, settings);
    return { dir, events: await ran(dir) };
  })();

  it('are what arithmetic on the saved weights says, exported and evaluated beside the raw ones', async () => {
    const { dir, events } = await run;
    const start = await openCheckpoint(await tiny);
    const steps = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((n) => modelAt(dir, n)));
    const [raw, ema, average] = [
      await exported(dir, 'raw'),
      await exported(dir, 'ema'),
      await exported(dir, 'average'),
    ];
    for (const name of steps[0]!.keys()) {
      let moving = Float64Array.from(await readValues(start, name));
      steps.forEach((weights, i) => {
        const stays = Math.min(0.6, (2 + i) / (11 + i));
        moving = moving.map((v, j) => stays * v + (1 - stays) * weights.get(name)![j]!);
      });
      const mean = steps[0]!
        .get(name)!
        .map((_, j) => steps.reduce((sum, weights) => sum + weights.get(name)![j]!, 0) / 8);
      expect(await raw.values(name)).toEqual(steps[7]!.get(name));
      expect(worst(await ema.values(name), moving), `ema of ${name}`).toBeLessThan(1e-6);
      expect(worst(await average.values(name), mean), `mean of ${name}`).toBeLessThan(1e-6);
      expect(worst(await ema.values(name), await raw.values(name))).toBeGreaterThan(0);
    }
    expect(
      eventsOfType(events, 'averaged')
        .filter((e) => e.weights === 'ema')
        .map((e) => e.step),
    ).toEqual([4, 8]);
    expect(
      eventsOfType(events, 'averaged')
        .filter((e) => e.weights === 'average')
        .map((e) => e.step),
    ).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const raws = eventsOfType(events, 'evaluated').at(-1)!.loss;
    for (const { loss, weights: which, step } of eventsOfType(events, 'averaged'))
      if (step === 8) expect([which, loss !== raws && Math.abs(loss - raws) < 1]).toEqual([which, true]);
  });

  it('a step tells how far it moved the weights', async () => {
    const { dir, events } = await run;
    const steps = await Promise.all([7, 8].map((n) => modelAt(dir, n)));
    let moved = 0;
    let size = 0;
    for (const [name, now] of steps[1]!)
      now.forEach((v, i) => {
        moved += (v - steps[0]!.get(name)![i]!) ** 2;
        size += v * v;
      });
    expect(eventsOfType(events, 'step').at(-1)!.updateRatio! / Math.sqrt(moved / size)).toBeCloseTo(1, 3);
  });

  it('are there to the byte after a stop and a resume', async () => {
    const dir = await createTestRun(await tiny, text, settings);
    const { signal, abort } = createAborter();
    for await (const event of train({ run: dir }, signal))
      if (event.type === 'step' && event.step === 5) abort();
    await ran(dir);
    expect(await stateOf(dir)).toEqual(await stateOf((await run).dir));
  });

  it('a run that keeps none refuses', async () => {
    const dir = await createTestRun(await tiny, text);
    await ran(dir);
    for (const weights of ['ema', 'average'] as const)
      await expectAppError('run/no-average', () => exported(dir, weights));
  });
});

it.each(optimizerIds.filter((o) => o !== 'adamw'))(
  '%s learns, and goes on to the byte',
  async (optimizer) => {
    const settings = { tokens: 20 * perStep, optimizer, lr: optimizer === 'sgd' ? 0.1 : 1e-2 };
    const whole = await createTestRun(await tiny, text, settings);
    const stopped = await createTestRun(await tiny, text, settings);
    const { signal, abort } = createAborter();
    const losses = eventsOfType(await ran(whole), 'step').map((e) => e.loss);
    expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.3);
    for await (const event of train({ run: stopped }, signal))
      if (event.type === 'step' && event.step === 11) abort();
    await ran(stopped);
    expect(await stateOf(stopped)).toEqual(await stateOf(whole));
  },
);

describe('learning from the source', () => {
  it('of an exact growth costs nothing at first and keeps it near', async () => {
    const checkpoint = await grown('hypercloning');
    const settings = { tokens: 15 * perStep, lr: 3e-3, warmupSteps: 1, schedule: 'constant' } as const;
    const far = async (distill: number): Promise<readonly number[]> =>
      eventsOfType(await ran(await createTestRun(checkpoint, text, { ...settings, distillWeight: distill })), 'step').map((e) => e.kl!);
    const taught = await far(1);
    const hardly = await far(1e-6);
    expect(Math.abs(taught[0]!)).toBeLessThan(1e-5);
    // while the weight of the source is large
    for (let i = 2; i < 8; i++) expect(taught[i]!, `step ${i + 1}`).toBeLessThan(hardly[i]!);
  });
  it('brings a growth that is not exact back towards it', async () => {
    const dir = await createTestRun(await grown('copy-pad'), text, {
      tokens: 40 * perStep,
      lr: 3e-3,
      warmupSteps: 1,
      schedule: 'constant',
      distillWeight: 1,
      distillTemperature: 2,
      gradAccum: 2,
    });
    const kls = eventsOfType(await ran(dir), 'step').map((e) => e.kl!);
    expect(kls[0]!).toBeGreaterThan(0.001);
    expect(kls[10]!).toBeLessThan(kls[0]!);
  });
  it('is refused without one', async () => {
    const dir = await createTestRun(await tiny, text, { distillWeight: 0.5 });
    expect((await ran(dir)).at(-1)).toMatchObject({ reason: 'failed', error: { code: 'run/no-source' } });
  });
});

describe('copies', () => {
  const plain: Growth = [
    'hypercloning without noise',
    'hypercloning',
    { hidden: 2, ffn: 2, heads: 2 },
    { noise: null },
  ];
  it.each([
    ['plain clones stay equal for ever', plain, true],
    ['plain diagonal clones', growthNamed('hypercloning without noise, diagonal'), true],
    ['clones as they are by default part', growthNamed('hypercloning'), false],
  ] as const)('%s', async (_, growth, equal) => {
    const dir = await createTestRun(await grown(growth), text, { tokens: 30 * perStep, evaluateEvery: 10 });
    const found = eventsOfType(await ran(dir), 'asymmetry');
    expect(found.map((e) => e.step)).toEqual([0, 10, 20, 30]);
    expect(found[0]!.value).toBe(0);
    if (equal)
      expect(found.at(-1)!.value).toBeLessThan(1e-6); // rounding alone (methods.md 1.10: 3e-7)
    else expect(found.at(-1)!.value).toBeGreaterThan(1e-3);
  });
  it('are not looked for in a model that has none', async () => {
    expect(eventsOfType(await ran(await createTestRun(await tiny, text)), 'asymmetry')).toEqual([]);
  });
});

describe('the end of a run', () => {
  const settings = { tokens: 20 * perStep, saveEvery: 3, schedule: 'wsd' } as const;

  it('comes with a decay that is asked while it trains, and a stop in between changes nothing', async () => {
    const told = async (pauseAt?: number): Promise<string> => {
      const dir = await createTestRun(await tiny, text, settings);
      const { signal, abort } = createAborter();
      for await (const event of train({ run: dir }, signal)) {
        if (event.type === 'step' && event.step === 5) await requestDecay(dir, 6);
        if (event.type === 'step' && event.step === pauseAt) abort();
      }
      if (pauseAt !== undefined)
        expect((await ran(dir)).at(-1)).toMatchObject({ reason: 'finished', step: 11 });
      return dir;
    };
    const dir = await told();
    const events = await readEvents(dir);
    const after = decayFrom((await readRun(await createTestRun(await tiny, text, settings))).settings, 5, 6);
    expect(events.at(-1)).toMatchObject({ type: 'stopped', reason: 'finished', step: 11 });
    expect(eventsOfType(events, 'rescheduled')).toMatchObject([{ step: 5, steps: 11 }]);
    expect(eventsOfType(events, 'step').map((e) => e.lr)).toEqual(
      Array.from({ length: 11 }, (_, i) => learningRate(after, i + 1)),
    );
    expect(await summarizeRun(dir)).toMatchObject({ state: 'finished', steps: 11, step: 11 });
    expect((await readRun(dir)).settings).toEqual(after);
    expect(await stateOf(await told(8))).toEqual(await stateOf(dir));
  });

  it('is put off: what was done stays, the rest follows the new plan', async () => {
    const dir = await createTestRun(await tiny, text, { ...settings, tokens: 6 * perStep });
    const first = eventsOfType(await ran(dir), 'step').map((e) => e.loss);
    const longer = extend((await readRun(dir)).settings, 6, 12 * perStep, 2);
    await changeSettings(dir, longer);
    expect((await ran(dir)).at(-1)).toMatchObject({ reason: 'finished', step: 12 });
    const steps = eventsOfType(await readEvents(dir), 'step');
    expect(steps.map((e) => e.step)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    expect(steps.slice(0, 6).map((e) => e.loss)).toEqual(first);
    expect(steps.map((e) => e.lr)).toEqual(Array.from({ length: 12 }, (_, i) => learningRate(longer, i + 1)));
    expect(steps[7]!.lr).toBeCloseTo(smallSettings.lr, 12);
  });
});
