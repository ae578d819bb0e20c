/**
 * @file Growing in the middle of a run: weights and the optimizer's moments go through the same maps, and the
 * grown model trains on as its source would have.
 */
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { aborter } from '../../../src-main/base/signals.ts';
import { grow } from '../../../src-main/engine/grow/grow-job.ts';
import { train } from '../../../src-main/engine/train/train-job.ts';
import { momentThrough, type MomentPart } from '../../../src-main/growth/apply/moments.ts';
import type { GrowthRequest } from '../../../src-main/growth/recipe.ts';
import { savedPlan, type SavedPlan } from '../../../src-main/growth/plan/saved-plan.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { carriedMoments, momentsOfStep } from '../../../src-main/store/checkpoint/moments.ts';
import { newestStep, readRun } from '../../../src-main/store/run/runs.ts';
import type { TrainingSettings } from '../../../src-main/train/settings.ts';
import { refusal } from '../../support/refusal.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { chief, collected, newRun, only, quiet, textFile } from '../workbench.ts';

const text = textFile(3000);
/**
 * Two windows of text in all: every batch of two is the same, so that where a run goes on it reads what it
 * would have read.
 */
const pair = (): string => {
  const path = join(freshFolder(), 'pair.txt');
  writeFileSync(path, 'a small boat sails home alone at dusk'.slice(0, 34));
  return path;
};
const plainly: Partial<TrainingSettings> = {
  schedule: 'constant',
  warmup: 0,
  lr: 1e-3,
  heldOut: 0,
  eps: 1e-5,
  decay: 0.1,
};
const steps = (n: number): Partial<TrainingSettings> => ({ tokens: n * 2 * 16 });
const ran = async (dir: string): Promise<readonly number[]> =>
  only(await collected(train({ run: dir }, quiet)), 'step').map((e) => e.loss);
const modelOf = async (run: string): Promise<string> => join((await newestStep(run))!.dir, 'model');
const request = (
  method: string,
  to: GrowthRequest['to'],
  options: GrowthRequest['options'] = {},
): GrowthRequest => ({ method, to, options, seed: 2, dtype: 'keep' });

async function planFor(
  dir: string,
  ask: (dims: Record<string, number>) => readonly GrowthRequest[],
): Promise<SavedPlan> {
  const { card } = await openCheckpoint(dir);
  return savedPlan(card, ask(card.dims as Record<string, number>), null);
}
const cloned = (d: Record<string, number>): readonly GrowthRequest[] => [
  request('hypercloning', { hidden: 2 * d['hidden']! }, { noise: null }),
  request('hypercloning', { ffn: 3 * d['ffn']! }, { noise: null }),
];
async function grownFrom(source: string, plan: SavedPlan): Promise<string> {
  const out = freePath('grown');
  await collected(grow({ source, out, plan, device: 'cpu' }, quiet));
  return out;
}
const furthest = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

describe.each(chief)('%s', (id) => {
  it("a plain clone of a run's step, by two stages, trains on exactly as the run does", async () => {
    const source = await makeTinyCheckpoint(id, { tokenizer: true });
    const data = pair();
    const short = await newRun(source, data, { ...plainly, ...steps(6) });
    const long = await newRun(source, data, { ...plainly, ...steps(14) });
    await ran(short);
    const expected = (await ran(long)).slice(6);
    const from = await modelOf(short);
    const out = await grownFrom(from, await planFor(from, cloned));
    expect(existsSync(join(out, 'optimizer', 'moments.safetensors'))).toBe(true);
    expect((await openCheckpoint(out)).growth!.moments).toEqual({ parts: ['mean', 'square'], updates: 6 });
    const events = await collected(
      train({ run: await newRun(out, data, { ...plainly, ...steps(8) }) }, quiet),
    );
    const found = only(events, 'step').map((e) => e.loss);
    expect(only(events, 'started')[0]).toMatchObject({ step: 0, carried: 6 });
    expect(found).toHaveLength(8);
    expect(furthest(found, expected)).toBeLessThan(1e-5);

    rmSync(join(out, 'optimizer'), { recursive: true });
    const fresh = await ran(await newRun(out, data, { ...plainly, ...steps(8) }));
    expect(fresh[0]).toBeCloseTo(expected[0]!, 5);
    expect(furthest(fresh, expected)).toBeGreaterThan(1e-4);
  });

  it('a plain clone follows its source from the first step, however large eps is', async () => {
    const source = await makeTinyCheckpoint(id, { tokenizer: true });
    const data = pair();
    const out = await grownFrom(source, await planFor(source, cloned));
    for (const settings of [
      { ...plainly, ...steps(8) },
      { ...plainly, ...steps(8), eps: 1e-3 },
    ]) {
      const [small, large] = [
        await ran(await newRun(source, data, settings)),
        await ran(await newRun(out, data, settings)),
      ];
      expect(furthest(large, small)).toBeLessThan(1e-5);
    }
    const [small, large] = [
      await ran(await newRun(source, data, { ...plainly, ...steps(8), eps: 1e-3 })),
      await ran(await newRun(out, data, { ...plainly, ...steps(8), eps: 1e-3, rates: 'plain' })),
    ];
    expect(furthest(large, small)).toBeGreaterThan(1e-4);
  });
});

it("every moment is the interpreter's, whatever the method, and a stopped run goes on from its own", async () => {
  const source = await makeTinyCheckpoint('llama', { tokenizer: true });
  const run = await newRun(source, text, steps(4));
  await ran(run);
  const from = await modelOf(run);
  const step = await momentsOfStep((await newestStep(run))!.dir);
  const asks: readonly ((d: Record<string, number>) => readonly GrowthRequest[])[] = [
    (d) => [request('net2net', { ffn: d['ffn']! + 3 }), request('identity', { layers: d['layers']! + 1 })],
    (d) => [request('expand', { hidden: 1.5 * d['hidden']!, ffn: d['ffn']! + 8 })],
    (d) => [
      request('aki', { ffn: d['ffn']! + 5 }),
      request('stack', { layers: 2 * d['layers']! }),
      request('vocab', { vocab: d['vocab']! + 4 }),
    ],
    (d) => [request('hypercloning', { hidden: 2 * d['hidden']! }), request('upcycle', {}, { experts: 4 })],
  ];
  for (const [i, ask] of asks.entries()) {
    const plan = await planFor(from, ask);
    const out = await grownFrom(from, plan);
    const carried = (await carriedMoments(out))!;
    for (const { name, to } of plan.stages.at(-1)!.tensors)
      for (const part of ['mean', 'square'] as const satisfies readonly MomentPart[]) {
        expect(carried.shapes.get(`${part}.${name}`)).toEqual(to);
        expect(await carried.read(part, name)).toEqual(
          await momentThrough(plan.stages, name, part, (p, n) => step.read(p, n)),
        );
      }
    if (i > 0) continue;
    const next = await newRun(out, text, { ...steps(4), saveEvery: 2 });
    const { signal, abort } = aborter();
    for await (const event of train({ run: next }, signal)) if (event.at === 'saved') abort();
    const again = await collected(train({ run: next }, quiet));
    const whole = await newRun(out, text, { ...steps(4), saveEvery: 2 });
    expect(only(again, 'started')[0]).not.toHaveProperty('carried');
    expect(only(again, 'step').map((e) => e.loss)).toEqual((await ran(whole)).slice(2));
    expect((await readRun(whole)).checkpoint).toBe(out);
  }
});

it.each(['adamw', 'muon', 'sgd'] as const)(
  'moments of %s go along into a mixture, whose routers have none',
  async (optimizer) => {
    const source = await makeTinyCheckpoint('mistral', { tokenizer: true });
    const run = await newRun(source, text, { ...steps(3), optimizer });
    await ran(run);
    const out = await grownFrom(
      await modelOf(run),
      await planFor(await modelOf(run), () => [request('upcycle', {}, { experts: 4, active: 2 })]),
    );
    const moments = (await carriedMoments(out))!;
    const routers = [...moments.shapes.keys()].filter((name) => name.includes('.gate.'));
    const own = (await openCheckpoint(out)).growth!.moments!.parts;
    expect(routers.length).toBe(own.length * (await openCheckpoint(out)).dims['layers']!);
    for (const name of routers)
      expect(
        (await moments.read(name.slice(0, name.indexOf('.')), name.slice(name.indexOf('.') + 1))).every(
          (v) => v === 0,
        ),
      ).toBe(true);
    expect(
      only(
        await collected(train({ run: await newRun(out, text, { ...steps(1), optimizer }) }, quiet)),
        'started',
      )[0],
    ).toMatchObject({ carried: 3 });
  },
);

it('moments of another optimizer are left where they are, and a cancelled growth leaves none', async () => {
  const source = await makeTinyCheckpoint('llama', { tokenizer: true });
  const run = await newRun(source, text, { ...steps(3), optimizer: 'sgd' });
  await ran(run);
  const from = await modelOf(run);
  const plan = await planFor(from, cloned);
  const out = await grownFrom(from, plan);
  expect((await openCheckpoint(out)).growth!.moments).toEqual({ parts: ['momentum'], updates: 3 });
  const started = async (optimizer: TrainingSettings['optimizer']): Promise<unknown> =>
    only(
      await collected(train({ run: await newRun(out, text, { ...steps(1), optimizer }) }, quiet)),
      'started',
    )[0];
  expect(await started('sgd')).toMatchObject({ carried: 3 });
  expect(await started('adamw')).not.toHaveProperty('carried');
  expect(
    (await openCheckpoint(await grownFrom(source, await planFor(source, cloned)))).growth,
  ).not.toHaveProperty('moments');
  const { signal, abort } = aborter();
  const cancelled = freePath('cancelled');
  await refusal('cancelled', async () => {
    for await (const event of grow({ source: from, out: cancelled, plan, device: 'cpu' }, signal))
      if (event.at === 'moments') abort();
  });
  expect(readdirSync(join(cancelled, '..'))).toEqual([]);
});
