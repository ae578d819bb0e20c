/** @file Grows the optimizer moments of a run: the grown model trains on like its source would have. */
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createAborter } from '../../../src-main/base/signals.ts';
import { grow } from '../../../src-main/engine/grow/grow-job.ts';
import { train } from '../../../src-main/engine/train/train-job.ts';
import { growMomentThroughStages, type MomentPart } from '../../../src-main/growth/apply/moments.ts';
import type { GrowthRequest } from '../../../src-main/growth/recipe.ts';
import { createSavedPlan, type SavedPlan } from '../../../src-main/growth/plan/saved-plan.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { openGrownMoments, openStepMoments } from '../../../src-main/store/checkpoint/moments.ts';
import { newestStep, readRun } from '../../../src-main/store/run/runs.ts';
import type { TrainingSettings } from '../../../src-main/train/settings.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import {
  mainFamilies,
  collect,
  createTestRun,
  eventsOfType,
  neverAborted,
  createTextFile,
} from '../workbench.ts';

const text = createTextFile(3000);

/** Writes a text of two windows. Every batch of two is the same, so a new run reads what the old one would. */
const createTwoWindowFile = (): string => {
  const path = join(freshFolder(), 'two-windows.txt');
  writeFileSync(path, 'a small boat sails home alone at dusk'.slice(0, 34));
  return path;
};
const plainSettings: Partial<TrainingSettings> = {
  schedule: 'constant',
  warmupSteps: 0,
  lr: 1e-3,
  heldOut: 0,
  eps: 1e-5,
  weightDecay: 0.1,
};
const steps = (n: number): Partial<TrainingSettings> => ({ tokens: n * 2 * 16 });

/** Trains a run and returns the loss of each step. */
const trainLosses = async (run: string): Promise<readonly number[]> =>
  eventsOfType(await collect(train({ run }, neverAborted)), 'step').map((e) => e.loss);
/** Trains a checkpoint on `data` in a new run and returns the loss of each step. */
const trainNewRun = async (
  checkpoint: string,
  data: string,
  settings: Partial<TrainingSettings>,
): Promise<readonly number[]> => trainLosses(await createTestRun(checkpoint, data, settings));
const modelOf = async (run: string): Promise<string> => join((await newestStep(run))!.dir, 'model');

const request = (
  method: string,
  to: GrowthRequest['to'],
  options: GrowthRequest['options'] = {},
): GrowthRequest => ({ method, to, options, seed: 2, dtype: 'keep' });

type RequestStages = (dims: Record<string, number>) => readonly GrowthRequest[];

async function planStages(dir: string, requestStages: RequestStages): Promise<SavedPlan> {
  const { summary } = await openCheckpoint(dir);
  return createSavedPlan(summary, requestStages(summary.dims as Record<string, number>), null);
}
async function growCheckpoint(source: string, requestStages: RequestStages): Promise<string> {
  const out = freePath('grown');
  const plan = await planStages(source, requestStages);
  await collect(grow({ source, out, plan, device: 'cpu' }, neverAborted));
  return out;
}
/** Two stages of clones without noise. */
const cloneTwice: RequestStages = (dims) => [
  request('hypercloning', { hidden: 2 * dims['hidden']! }, { noise: null }),
  request('hypercloning', { ffn: 3 * dims['ffn']! }, { noise: null }),
];
const maxDifference = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

describe.each(mainFamilies)('%s', (id) => {
  it("a clone of a run's checkpoint has the losses of the run if it goes on", async () => {
    const source = await makeTinyCheckpoint(id, { tokenizer: true });
    const data = createTwoWindowFile();
    const short = await createTestRun(source, data, { ...plainSettings, ...steps(6) });
    await trainLosses(short);
    const expected = (await trainNewRun(source, data, { ...plainSettings, ...steps(14) })).slice(6);
    const grown = await growCheckpoint(await modelOf(short), cloneTwice);
    expect(existsSync(join(grown, 'optimizer', 'moments.safetensors'))).toBe(true);
    expect((await openCheckpoint(grown)).growth!.moments).toEqual({
      parts: ['expAvg', 'expAvgSq'],
      updates: 6,
    });
    const run = await createTestRun(grown, data, { ...plainSettings, ...steps(8) });
    const events = await collect(train({ run }, neverAborted));
    const losses = eventsOfType(events, 'step').map((e) => e.loss);
    expect(eventsOfType(events, 'started')[0]).toMatchObject({ step: 0, momentUpdates: 6 });
    expect(losses).toHaveLength(8);
    expect(maxDifference(losses, expected)).toBeLessThan(1e-5);

    rmSync(join(grown, 'optimizer'), { recursive: true });
    const withoutMoments = await trainNewRun(grown, data, { ...plainSettings, ...steps(8) });
    expect(withoutMoments[0]).toBeCloseTo(expected[0]!, 5);
    expect(maxDifference(withoutMoments, expected)).toBeGreaterThan(1e-4);
  });

  it('a clone has the losses of its source from the first step, for any eps', async () => {
    const source = await makeTinyCheckpoint(id, { tokenizer: true });
    const data = createTwoWindowFile();
    const grown = await growCheckpoint(source, cloneTwice);
    for (const eps of [plainSettings.eps!, 1e-3]) {
      const settings = { ...plainSettings, ...steps(8), eps };
      const sourceLosses = await trainNewRun(source, data, settings);
      expect(maxDifference(await trainNewRun(grown, data, settings), sourceLosses)).toBeLessThan(1e-5);
    }
    const settings = { ...plainSettings, ...steps(8), eps: 1e-3 };
    const sourceLosses = await trainNewRun(source, data, settings);
    const losses = await trainNewRun(grown, data, { ...settings, perTensorLr: 'off' });
    expect(maxDifference(losses, sourceLosses)).toBeGreaterThan(1e-4);
  });
});

describe('moments of AdamW', () => {
  let run: string;
  beforeAll(async () => {
    run = await createTestRun(await makeTinyCheckpoint('llama', { tokenizer: true }), text, steps(4));
    await trainLosses(run);
  });
  const netAndIdentity: RequestStages = (d) => [
    request('net2net', { ffn: d['ffn']! + 3 }),
    request('identity', { layers: d['layers']! + 1 }),
  ];

  it.each<readonly [string, RequestStages]>([
    ['net2net and identity', netAndIdentity],
    ['expand', (d) => [request('expand', { hidden: 1.5 * d['hidden']!, ffn: d['ffn']! + 8 })]],
    [
      'aki, stack and vocab',
      (d) => [
        request('aki', { ffn: d['ffn']! + 5 }),
        request('stack', { layers: 2 * d['layers']! }),
        request('vocab', { vocab: d['vocab']! + 4 }),
      ],
    ],
    [
      'hypercloning and upcycle',
      (d) => [request('hypercloning', { hidden: 2 * d['hidden']! }), request('upcycle', {}, { experts: 4 })],
    ],
  ])('equal the reference implementation: %s', async (_, requestStages) => {
    const source = await modelOf(run);
    const sourceMoments = await openStepMoments((await newestStep(run))!.dir);
    const { stages } = await planStages(source, requestStages);
    const moments = (await openGrownMoments(await growCheckpoint(source, requestStages)))!;
    for (const { name, to } of stages.at(-1)!.tensors)
      for (const part of ['expAvg', 'expAvgSq'] as const satisfies readonly MomentPart[]) {
        expect(moments.shapes.get(`${part}.${name}`)).toEqual(to);
        expect(await moments.read(part, name)).toEqual(
          await growMomentThroughStages(stages, name, part, (p, n) => sourceMoments.read(p, n)),
        );
      }
  });

  it('are not used by a resumed run, which has its own', async () => {
    const grown = await growCheckpoint(await modelOf(run), netAndIdentity);
    const stopped = await createTestRun(grown, text, { ...steps(4), saveEvery: 2 });
    const { signal, abort } = createAborter();
    for await (const event of train({ run: stopped }, signal)) if (event.type === 'saved') abort();
    const resumed = await collect(train({ run: stopped }, neverAborted));
    const uninterrupted = await createTestRun(grown, text, { ...steps(4), saveEvery: 2 });
    const losses = await trainLosses(uninterrupted);
    expect(eventsOfType(resumed, 'started')[0]).not.toHaveProperty('momentUpdates');
    expect(eventsOfType(resumed, 'step').map((e) => e.loss)).toEqual(losses.slice(2));
    expect((await readRun(uninterrupted)).checkpoint).toBe(grown);
  });
});

/** Returns the first event of a new run. */
async function startRun(checkpoint: string, optimizer: TrainingSettings['optimizer']): Promise<unknown> {
  const run = await createTestRun(checkpoint, text, { ...steps(1), optimizer });
  return eventsOfType(await collect(train({ run }, neverAborted)), 'started')[0];
}

it.each(['adamw', 'muon', 'sgd'] as const)(
  'moments of %s are grown into a mixture of experts, zero for routers',
  async (optimizer) => {
    const source = await makeTinyCheckpoint('mistral', { tokenizer: true });
    const run = await createTestRun(source, text, { ...steps(3), optimizer });
    await trainLosses(run);
    const grown = await growCheckpoint(await modelOf(run), () => [
      request('upcycle', {}, { experts: 4, active: 2 }),
    ]);
    const { growth, dims } = await openCheckpoint(grown);
    const moments = (await openGrownMoments(grown))!;
    const routers = [...moments.shapes.keys()].filter((name) => name.includes('.gate.'));
    expect(routers.length).toBe(growth!.moments!.parts.length * dims['layers']!);
    for (const name of routers) {
      const dot = name.indexOf('.');
      const values = await moments.read(name.slice(0, dot), name.slice(dot + 1));
      expect(values.every((v) => v === 0)).toBe(true);
    }
    expect(await startRun(grown, optimizer)).toMatchObject({ momentUpdates: 3 });
  },
);

describe('moments of SGD', () => {
  let source: string;
  let model: string;
  beforeAll(async () => {
    source = await makeTinyCheckpoint('llama', { tokenizer: true });
    const run = await createTestRun(source, text, { ...steps(3), optimizer: 'sgd' });
    await trainLosses(run);
    model = await modelOf(run);
  });

  it('are used by SGD and ignored by another optimizer', async () => {
    const grown = await growCheckpoint(model, cloneTwice);
    expect((await openCheckpoint(grown)).growth!.moments).toEqual({ parts: ['momentum'], updates: 3 });
    expect(await startRun(grown, 'sgd')).toMatchObject({ momentUpdates: 3 });
    expect(await startRun(grown, 'adamw')).not.toHaveProperty('momentUpdates');
    const grownSource = await openCheckpoint(await growCheckpoint(source, cloneTwice));
    expect(grownSource.growth).not.toHaveProperty('moments');
  });

  it('are removed if the growth is cancelled', async () => {
    const plan = await planStages(model, cloneTwice);
    const out = freePath('cancelled');
    const { signal, abort } = createAborter();
    await expectAppError('cancelled', async () => {
      for await (const event of grow({ source: model, out, plan, device: 'cpu' }, signal))
        if (event.type === 'moments') abort();
    });
    expect(readdirSync(join(out, '..'))).toEqual([]);
  });
});
