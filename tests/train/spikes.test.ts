/** @file Which steps are left out, and that a step that is left out changes nothing. */
import { describe, expect, it } from 'vitest';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { optimizers, type OptimizerId } from '../../src-main/train/optimizers/index.ts';
import { limitsOf, nothingSeen, watched, type Watch } from '../../src-main/train/spikes.ts';
import { bucketsOf, stateNames } from '../../src-main/train/state.ts';
import { stepProgram } from '../../src-main/train/step.ts';
import { hostScalars, unbounded } from '../../src-main/train/update.ts';
import { golden } from '../support/golden.ts';
import { runner, type Fed } from '../support/run-graph.ts';

const seen = (losses: readonly number[]): Watch =>
  losses.reduce((w, loss) => watched(w, { loss, norm: 2 * loss }), nothingSeen);
const wave = (n: number): number[] => Array.from({ length: n }, (_, i) => 3 + (i % 2 ? 0.1 : -0.1));

describe('limits', () => {
  it('are six deviations over the mean of the newest 128', () => {
    const { loss, norm } = limitsOf(seen([...Array<number>(50).fill(100), ...wave(128)]), 6);
    const deviation = Math.sqrt((128 * 0.01) / 127);
    expect(loss).toBeCloseTo(3 + 6 * deviation, 6);
    expect(norm).toBeCloseTo(6 + 12 * deviation, 5);
  });
  it('are none but being finite while little is known, or when asked not to skip', () => {
    expect(limitsOf(seen(wave(63)), 6)).toEqual({ loss: unbounded, norm: unbounded });
    expect(limitsOf(seen(wave(64)), 6).loss).toBeLessThan(4);
    expect(limitsOf(seen(wave(128)), 0)).toEqual({ loss: unbounded, norm: unbounded });
  });
  it('take in what lasts: a new level is no spike for long', () => {
    let watch = seen(wave(128));
    let out = 0;
    for (; 8 >= limitsOf(watch, 6).loss && out < 50; out++) watch = watched(watch, { loss: 8, norm: 2 });
    expect(out).toBeGreaterThan(0);
    expect(out).toBeLessThan(10);
  });
  it('count steps that are not finite in a row, and forget them at the next that is', () => {
    const bad = watched(watched(seen(wave(5)), { loss: NaN, norm: 1 }), { loss: 1, norm: Infinity });
    expect(bad).toEqual({ ...seen(wave(5)), bad: 2 });
    expect(watched(bad, { loss: 3, norm: 6 }).bad).toBe(0);
  });
});

describe.each(Object.keys(optimizers) as OptimizerId[])('a step of %s that is left out', (optimizer) => {
  const g = golden('llama-tied-gqa');
  const family = familyOf(g.config);
  const dims = dimsOf(family, g.config);
  const settings = settingsOf(family, g.config);
  const buckets = bucketsOf(family, parametersOf(family, dims, settings), { most: 3000, optimizer });
  const hyper = { beta1: 0.9, beta2: 0.95, eps: 1e-8, decay: 0.1, momentum: 0.9, ema: 0.9 };
  const kept = { ema: 0.9 };
  const tokens = Int32Array.from({ length: 2 * 9 }, (_, i) => (7 * i) % 37);
  const program = runner(stepProgram({ family, dims, settings, buckets }, { batch: 2, sequence: 8 }, hyper));
  const lengthOf = (name: string): number => buckets[Number(name.split('/')[1])]!.length;
  const start = (): Record<string, Float32Array> => {
    const state = Object.fromEntries(
      stateNames(buckets, kept).map((n) => [
        n,
        new Float32Array(lengthOf(n)).fill(n.startsWith('square') ? 0.5 : 0.25),
      ]),
    );
    for (const b of buckets)
      for (const slot of b.slots) state[`weights/${b.index}`]!.set(g.weights.get(slot.name)!, slot.offset);
    return state;
  };
  const run = async (
    state: Record<string, Fed>,
    limits: { loss: number; norm: number },
  ): Promise<Record<string, Float32Array>> => {
    const { correction1, correction2, ...always } = hostScalars({ ...hyper, clip: 1 }, 3, 0.01, limits);
    const scalars = optimizer === 'sgd' ? always : { ...always, correction1, correction2 };
    return (await program)({
      ...state,
      tokens,
      ...Object.fromEntries(Object.entries(scalars).map(([n, x]) => [n, Float32Array.of(x)])),
    });
  };
  const same = (out: Record<string, Float32Array>, state: Record<string, Float32Array>): boolean =>
    stateNames(buckets, kept).every((n) =>
      Buffer.from(out[`next/${n}`]!.buffer).equals(Buffer.from(state[n]!.buffer)),
    );

  it('for its loss or its norm leaves every bit of the state', async () => {
    const free = await run(start(), { loss: unbounded, norm: unbounded });
    const loss = free['loss']![0]!;
    const norm = free['norm']![0]!;
    expect([free['applied']![0], same(free, start())]).toEqual([1, false]);
    for (const limits of [
      { loss: loss * 0.99, norm: unbounded },
      { loss: unbounded, norm: norm * 0.99 },
      { loss, norm: unbounded },
    ]) {
      const out = await run(start(), limits);
      expect([
        out['applied']![0],
        out['ratio']![0],
        out['loss']![0],
        out['norm']![0],
        same(out, start()),
      ]).toEqual([0, 0, loss, norm, true]);
    }
    expect((await run(start(), { loss: loss * 1.01, norm: norm * 1.01 }))['applied']![0]).toBe(1);
  });

  it('because gradients are not finite leaves every bit of the state', async () => {
    for (const huge of [3e38, -3e38]) {
      // finite, but its products are not
      const state = start();
      const { slot, bucket } = buckets
        .flatMap((bucket) => bucket.slots.map((slot) => ({ bucket, slot })))
        .find(({ slot }) => slot.name === 'model.norm.weight')!;
      state[`weights/${bucket.index}`]!.fill(huge, slot.offset, slot.offset + slot.count);
      const out = await run(state, { loss: unbounded, norm: unbounded });
      expect([out['applied']![0], Number.isFinite(out['norm']![0])]).toEqual([0, false]);
      for (const n of stateNames(buckets, kept))
        expect([n, Buffer.from(out[`next/${n}`]!.buffer).equals(Buffer.from(state[n]!.buffer))]).toEqual([
          n,
          true,
        ]);
    }
  });
});
