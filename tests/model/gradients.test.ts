/**
 * @file Every weight of every family has a gradient, and the gradients predict the change of the loss along a random
 * direction (central differences in float64).
 */
import { describe, expect, it } from 'vitest';
import { deriveKey, normalAt } from '../../src-main/base/random.ts';
import { constant, crossEntropy, mean, reshape } from '../../src-main/graph/ops/build.ts';
import { grad } from '../../src-main/graph/passes/grad.ts';
import { createModelBuilder } from '../../src-main/model/model-builder.ts';
import { compareArrays } from '../support/close.ts';
import { evaluate, type Tensor } from '../support/evaluate.ts';
import { goldenByFamily, openGoldenModel } from './golden-model.ts';

const length = 9;

/** The first and the last checkpoint of each family, which differ most. */
const cases = goldenByFamily.flatMap((names) => [...new Set([names[0]!, names.at(-1)!])]);

describe.each(cases)('%s', (name) => {
  const { golden, family, dims, settings, parameters, inputs, feeds } = openGoldenModel(name);
  const m = createModelBuilder(family, dims, settings, inputs);
  const ids = golden.ids[0]!;
  const tokens = constant(ids.slice(0, length), 'int32', [1, length]);
  const targets = constant(ids.slice(1, length + 1), 'int32', [length]);
  const logits = reshape(m.head(family.forward(m, tokens)).value, [length, -1]);
  const loss = mean(crossEntropy(logits, targets));

  /** The random direction, one value per element of a weight. */
  const direction = (weight: string): ((i: number) => number) => {
    const key = deriveKey(5, weight);
    return (i) => normalAt(key, i);
  };
  /** The weights moved by `distance` along the direction. */
  const movedWeights = (distance: number): Record<string, Tensor> =>
    Object.fromEntries(
      Object.entries(feeds).map(([weight, { shape, data }]) => {
        const at = direction(weight);
        return [weight, { shape, data: data.map((v, i) => v + distance * at(i)) }];
      }),
    );
  const lossAt = (distance: number): number => evaluate([loss], movedWeights(distance))[0]!.data[0]!;

  /**
   * Some gradients are zero: those of experts that none of so few tokens uses, of a router whose only choice
   * always has weight one, and of key biases, which cancel in the softmax.
   */
  const mayHaveNoGradient = (weight: string, expert?: number): boolean =>
    /k_proj\.bias|c_attn\.bias/.test(weight) ||
    expert !== undefined ||
    (settings['expertsPerToken'] === 1 && weight.includes('block_sparse_moe.gate'));

  it('has gradients that agree with central differences', () => {
    const gradients = evaluate(grad(loss, [...inputs.values()]), movedWeights(0));
    let slope = 0;
    const layersWithExpertGradients = new Set<number>();
    parameters.forEach(({ name: weight, layer, expert }, i) => {
      const gradient = gradients[i]!.data;
      const at = direction(weight);
      const isNonZero = gradient.some((v) => Math.abs(v) > 1e-12);
      if (isNonZero && expert !== undefined) layersWithExpertGradients.add(layer!);
      if (!mayHaveNoGradient(weight, expert)) expect([weight, isNonZero]).toEqual([weight, true]);
      gradient.forEach((v, j) => {
        slope += v * at(j);
      });
    });
    if (family.mixture) expect(layersWithExpertGradients.size).toBe(dims['layers']);

    const step = 1e-5;
    const difference = (lossAt(step) - lossAt(-step)) / (2 * step);
    expect(compareArrays([slope], [difference]).worst).toBeLessThan(1e-6 * Math.max(1, Math.abs(slope)));
  });
});
