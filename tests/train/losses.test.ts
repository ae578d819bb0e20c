/**
 * @file Twenty steps of our training graph beside PyTorch's AdamW, Muon and SGD: losses, norms and final
 * weights (tests/parity/make-losses.py).
 */
import { describe, expect, it } from 'vitest';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { bucketsOf, stateNames } from '../../src-main/train/state.ts';
import { accumulateProgram, stepProgram, updateProgram } from '../../src-main/train/step.ts';
import { hostScalars } from '../../src-main/train/update.ts';
import { loadGolden } from '../support/golden.ts';
import { readPyTorchCurves } from '../support/loss-curves.ts';
import { createGraphRunner, type Feed } from '../support/run-graph.ts';

const cases = readPyTorchCurves().flatMap((curve) =>
  [1, 700, 1_000_000].map((most) => [curve.name, most, curve] as const),
);

describe.each(cases)(
  '%s, buckets of at most %i elements',
  (_name, most, { checkpoint, batches, optimizer, gradAccumSteps: accumulate, ...curve }) => {
    const batch = batches[0]!.length;
    const sequence = batches[0]![0]!.length - 1;
    const g = loadGolden(checkpoint);
    const family = familyOf(g.config);
    const dims = dimsOf(family, g.config);
    const settings = settingsOf(family, g.config);
    const parameters = parametersOf(family, dims, settings);
    const factors = new Map(
      parameters.map(({ name, shape }) => [
        name,
        { lrScale: curve.rates[name] ?? 1, gradScale: 1, from: shape },
      ]),
    );
    const buckets = bucketsOf(family, parameters, { maxElements: most, factors, optimizer: optimizer.name });
    const model = { family, dims, settings, buckets };

    const hyper = { ...optimizer, decay: optimizer.weightDecay };
    it('follows PyTorch', async () => {
      const zeros = (part: string): Record<string, Feed> =>
        Object.fromEntries(buckets.map((b) => [`${part}/${b.index}`, new Float32Array(b.length)]));
      let state: Record<string, Feed> = Object.fromEntries(
        stateNames(buckets).map((n) => [n, new Float32Array(buckets[Number(n.split('/')[1])]!.length)]),
      );
      for (const b of buckets)
        for (const slot of b.slots)
          (state[`weights/${b.index}`] as Float32Array).set(g.weights.get(slot.name)!, slot.offset);
      const only = (part: string): Record<string, Feed> =>
        Object.fromEntries(Object.entries(state).filter(([n]) => n.startsWith(part)));
      const step =
        accumulate === 1
          ? await createGraphRunner(stepProgram(model, { microBatch: batch, contextLength: sequence }, hyper))
          : undefined;
      const gather = await createGraphRunner(
        accumulateProgram(model, { microBatch: batch, contextLength: sequence }),
      );
      const update = await createGraphRunner(updateProgram(model, hyper, accumulate));
      for (const [i, expected] of curve.points.entries()) {
        const t = i + 1;
        const scalar = (x: number): Float32Array => Float32Array.of(x);
        const {
          emaDecay: memory,
          biasCorrection1,
          biasCorrection2,
          ...always
        } = hostScalars({ ...hyper, gradClip: curve.maxGradNorm }, t, curve.lr[i]!);
        const given = optimizer.name === 'sgd' ? always : { ...always, biasCorrection1, biasCorrection2 };
        const scalars = Object.fromEntries(Object.entries(given).map(([n, x]) => [n, scalar(x)]));
        expect(memory).toBe(0);
        const tokens = (n: number): Int32Array => Int32Array.from(batches[n]!.flat());
        let loss = 0;
        let next: Record<string, Float32Array>;
        if (step) next = await step({ ...state, ...scalars, tokens: tokens(i) });
        else {
          let gradients: Record<string, Feed> = zeros('gradient');
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
        expect(Math.abs(next['gradNorm']![0]! / curve.gradNorm[i]! - 1), `norm of step ${t}`).toBeLessThan(
          1e-3,
        );
      }
      for (const b of buckets)
        for (const slot of b.slots) {
          const expected = curve.finalWeights.get(slot.name);
          if (!expected) continue;
          const found = (state[`weights/${b.index}`] as Float32Array).subarray(
            slot.offset,
            slot.offset + slot.count,
          );
          let worst = 0;
          expected.forEach((x, i) => {
            worst = Math.max(worst, Math.abs(x - found[i]!));
          });
          expect(worst, slot.name).toBeLessThan(2e-4);
        }
    });
  },
);
