/**
 * @file Twenty steps of our training graph beside PyTorch's AdamW, Muon and SGD: losses, norms and final
 * weights (tests/parity/make-golden.py).
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import type { OptimizerId } from '../../src-main/train/optimizers/index.ts';
import { bucketsOf, stateNames } from '../../src-main/train/state.ts';
import { accumulateProgram, stepProgram, updateProgram } from '../../src-main/train/step.ts';
import { hostScalars } from '../../src-main/train/update.ts';
import { fixtures, golden } from '../support/golden.ts';
import { runner, type Fed } from '../support/run-graph.ts';

interface Curve {
  readonly optimizer?: OptimizerId;
  readonly momentum?: number;
  readonly accumulate: number;
  readonly clip: number;
  readonly weights: Readonly<Record<string, { rate: number; decay: number }>>;
  readonly steps: readonly { loss: number; norm: number; lr: number }[];
  readonly final: Readonly<Record<string, { values: readonly number[] }>>;
}
interface Losses {
  readonly checkpoint: string;
  readonly batch: number;
  readonly sequence: number;
  readonly batches: readonly (readonly (readonly number[])[])[];
  readonly optimizer: { beta1: number; beta2: number; eps: number; decay: number };
  readonly curves: Readonly<Record<string, Curve>>;
}
const folder = join(fixtures, 'losses');
const all = readdirSync(folder)
  .filter((f) => f.endsWith('.json'))
  .map((f) => [f, JSON.parse(readFileSync(join(folder, f), 'utf8')) as Losses] as const);
const cases = all.flatMap(([file, losses]) =>
  Object.keys(losses.curves).flatMap((curve) =>
    [1, 700, 1_000_000].map((most) => [file, curve, most, losses] as const),
  ),
);

describe.each(cases)(
  '%s, %s, buckets of at most %i',
  (_file, name, most, { checkpoint, batch, sequence, batches, optimizer, curves }) => {
    const {
      accumulate,
      clip,
      weights: factors,
      steps,
      final,
      optimizer: by = 'adamw',
      momentum = 0,
    } = curves[name]!;
    const g = golden(checkpoint);
    const family = familyOf(g.config);
    const dims = dimsOf(family, g.config);
    const settings = settingsOf(family, g.config);
    const parameters = parametersOf(family, dims, settings);
    const shapes = new Map(parameters.map((p) => [p.name, p.shape]));
    const own = new Map(
      Object.entries(factors).map(([n, { rate }]) => [n, { rate, gradient: 1, from: shapes.get(n)! }]),
    );
    const buckets = bucketsOf(family, parameters, { most, factors: own, optimizer: by });
    const model = { family, dims, settings, buckets };

    const hyper = { ...optimizer, momentum };
    it('follows PyTorch', async () => {
      const zeros = (part: string): Record<string, Fed> =>
        Object.fromEntries(buckets.map((b) => [`${part}/${b.index}`, new Float32Array(b.length)]));
      let state: Record<string, Fed> = Object.fromEntries(
        stateNames(buckets).map((n) => [n, new Float32Array(buckets[Number(n.split('/')[1])]!.length)]),
      );
      for (const b of buckets)
        for (const slot of b.slots)
          (state[`weights/${b.index}`] as Float32Array).set(g.weights.get(slot.name)!, slot.offset);
      const only = (part: string): Record<string, Fed> =>
        Object.fromEntries(Object.entries(state).filter(([n]) => n.startsWith(part)));
      const step =
        accumulate === 1 ? await runner(stepProgram(model, { batch, sequence }, hyper)) : undefined;
      const gather = await runner(accumulateProgram(model, { batch, sequence }));
      const update = await runner(updateProgram(model, hyper, accumulate));
      for (const [i, expected] of steps.entries()) {
        const t = i + 1;
        const scalar = (x: number): Float32Array => Float32Array.of(x);
        const { memory, correction1, correction2, ...always } = hostScalars(
          { ...hyper, clip },
          t,
          expected.lr,
        );
        const given = by === 'sgd' ? always : { ...always, correction1, correction2 };
        const scalars = Object.fromEntries(Object.entries(given).map(([n, x]) => [n, scalar(x)]));
        expect(memory).toBe(0);
        const tokens = (n: number): Int32Array => Int32Array.from(batches[n]!.flat());
        let loss = 0;
        let next: Record<string, Float32Array>;
        if (step) next = await step({ ...state, ...scalars, tokens: tokens(i) });
        else {
          let gradients: Record<string, Fed> = zeros('gradient');
          for (let j = 0; j < accumulate; j++) {
            const out = await gather({
              ...only('weights'),
              ...gradients,
              keep: scalar(j === 0 ? 0 : 1),
              tokens: tokens(i * accumulate + j),
            });
            loss += out['loss']![0]! / accumulate;
            gradients = Object.fromEntries(
              buckets.map((b) => [`gradient/${b.index}`, out[`next/gradient/${b.index}`]!]),
            );
          }
          next = await update({ ...state, ...gradients, ...scalars, loss: scalar(loss) });
        }
        if (step) loss = next['loss']![0]!;
        state = Object.fromEntries(stateNames(buckets).map((n) => [n, next[`next/${n}`]!]));
        expect(Math.abs(loss / expected.loss - 1), `loss of step ${t}`).toBeLessThan(1e-4);
        expect(Math.abs(next['norm']![0]! / expected.norm - 1), `norm of step ${t}`).toBeLessThan(1e-3);
      }
      for (const b of buckets)
        for (const slot of b.slots) {
          const expected = final[slot.name];
          if (!expected) continue;
          const found = (state[`weights/${b.index}`] as Float32Array).subarray(
            slot.offset,
            slot.offset + slot.count,
          );
          let worst = 0;
          expected.values.forEach((x, i) => {
            worst = Math.max(worst, Math.abs(x - found[i]!));
          });
          expect(worst, slot.name).toBeLessThan(2e-4);
        }
    });
  },
);
