/**
 * @file Every family can be trained: each weight has a gradient, and along a random direction the gradients
 * say how the loss changes (central differences in float64).
 */
import { describe, expect, it } from 'vitest';
import { keyOf, normalAt } from '../../src-main/base/random.ts';
import { constant, crossEntropy, input, mean, reshape, type Value } from '../../src-main/graph/ops/build.ts';
import { grad } from '../../src-main/graph/passes/grad.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { createModelBuilder } from '../../src-main/model/layers.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { compare } from '../support/close.ts';
import { evaluate } from '../support/evaluate.ts';
import { loadGolden, goldenCases } from '../support/golden.ts';

const length = 9;

/** Of each family the first and the last, which differ most. */
const each = [
  ...Map.groupBy(
    goldenCases.filter((name) => !name.includes('float16')),
    (name) => familyOf(loadGolden(name).config).id,
  ).values(),
].flatMap((names) => [...new Set([names[0]!, names.at(-1)!])]);

describe.each(each)('%s', (name) => {
  const g = loadGolden(name);
  const family = familyOf(g.config);
  const dims = dimsOf(family, g.config);
  const settings = settingsOf(family, g.config);
  const parameters = parametersOf(family, dims, settings);
  const inputs = parameters.map((p) => [p.name, input(p.name, 'float32', p.shape)] as const);
  const weights: ReadonlyMap<string, Value> = new Map(inputs);
  const m = createModelBuilder(family, dims, settings, weights);
  const ids = g.ids[0]!;
  const tokens = constant(ids.slice(0, length), 'int32', [1, length]);
  const targets = constant(ids.slice(1, length + 1), 'int32', [length]);
  const loss = mean(crossEntropy(reshape(m.head(family.forward(m, tokens)).value, [length, -1]), targets));
  const feeds = (by: number) =>
    Object.fromEntries(
      parameters.map(({ name: weight, shape }) => {
        const key = keyOf(5, weight);
        return [
          weight,
          { shape, data: Float64Array.from(g.weights.get(weight)!, (v, i) => v + by * normalAt(key, i)) },
        ];
      }),
    );
  /**
   * Nothing flows into what no token of so few reads, or into a router whose one choice has weight one
   * whatever it says; and a constant added to all keys cancels.
   */
  const idle = (weight: string, expert?: number): boolean =>
    /k_proj\.bias|c_attn\.bias/.test(weight) ||
    expert !== undefined ||
    (settings['expertsPerToken'] === 1 && weight.includes('block_sparse_moe.gate'));
  it('gradients are those of the loss', () => {
    const found = evaluate(
      grad(
        loss,
        inputs.map(([, value]) => value),
      ),
      feeds(0),
    );
    let along = 0;
    const layers = new Set<number>();
    parameters.forEach(({ name: weight, layer, expert }, i) => {
      const gradient = found[i]!.data;
      const key = keyOf(5, weight);
      const flows = gradient.some((v) => Math.abs(v) > 1e-12);
      if (flows && expert !== undefined) layers.add(layer!);
      if (!idle(weight, expert)) expect([weight, flows]).toEqual([weight, true]);
      gradient.forEach((v, j) => {
        along += v * normalAt(key, j);
      });
    });
    if (family.mixture) expect(layers.size).toBe(dims['layers']);
    const step = 1e-5;
    const [up, down] = [step, -step].map((by) => evaluate([loss], feeds(by))[0]!.data[0]!) as [
      number,
      number,
    ];
    expect(compare([along], [(up - down) / (2 * step)]).worst).toBeLessThan(
      1e-6 * Math.max(1, Math.abs(along)),
    );
  });
});
