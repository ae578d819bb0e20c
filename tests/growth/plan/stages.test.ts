/** @file Recipes of several stages: one pass gives what stage after stage gives, and keeps what they keep. */
import { describe, expect, it } from 'vitest';
import {
  applyStages,
  sourceFromPlan,
  listSourceWeights,
  planStages,
  multiplyScales,
  combinePromises,
} from '../../../src-main/growth/plan/stages.ts';
import type { GrowthRequest } from '../../../src-main/growth/recipe.ts';
import { referenceLogits, type Weights } from '../../support/reference.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { ask, gpt2, grow, llama, shapes, tiny, tokensOf, type Tiny } from '../tiny.ts';

const chained = (
  source: Tiny,
  requests: readonly GrowthRequest[],
): { weights: Weights; config: Tiny['config'] } => {
  const stages = planStages(source, requests);
  const last = stages.at(-1)!;
  return {
    config: last.config,
    weights: new Map(
      last.tensors.map(({ name }) => [
        name,
        applyStages(stages, name, new Map(listSourceWeights(stages, name).map((n) => [n, source.weights.get(n)!]))),
      ]),
    ),
  };
};
const moved = (source: Tiny, { weights, config }: { weights: Weights; config: Tiny['config'] }): number => {
  const tokens = tokensOf(source.dims['vocab']!);
  const [a, b] = [
    referenceLogits(source.config, source.weights, tokens),
    referenceLogits(config, weights, tokens),
  ];
  const width = b.length / tokens.length;
  const vocab = a.length / tokens.length;
  return a.reduce(
    (most, x, i) => Math.max(most, Math.abs(x - b[Math.floor(i / vocab) * width + (i % vocab)]!)),
    0,
  );
};

describe.each(Object.entries(shapes))('width, depth, units and tokens in one pass: %s', (_, config) => {
  it('keeps the logits', () => {
    const source = tiny(config);
    const { hidden, ffn, layers } = source.dims as Record<string, number>;
    const requests = [
      ask('hypercloning', { hidden: 2 * hidden!, ffn: 2 * ffn! }),
      ask('net2net', { ffn: 2 * ffn! + 5 }),
      ask('identity', { layers: layers! + 1 }),
      ask('vocab', {}, { multiple: 32 }),
    ];
    const exact = combinePromises(planStages(source, requests)).kind === 'exact';
    if (exact) expect(moved(source, chained(source, requests))).toBeLessThan(1e-9);
    else expect(moved(source, chained(source, requests))).toBeLessThan(0.05);
  });
});

it('is what the stages give one after the other', () => {
  const source = tiny(llama);
  const requests = [
    ask('clone-pad', { hidden: 30, ffn: 50 }),
    ask('aki', { ffn: 60 }),
    ask('stack', { layers: 4 }),
  ];
  let weights = source.weights;
  for (const plan of planStages(source, requests)) weights = grow(plan, weights);
  expect(chained(source, requests).weights).toEqual(weights);
});

it('reads only what a weight is made from', () => {
  const stages = planStages(tiny(llama), [ask('aki', { ffn: 25 }), ask('stack', { layers: 6 })]);
  expect(listSourceWeights(stages, 'model.layers.4.mlp.up_proj.weight')).toEqual([
    'model.layers.0.mlp.up_proj.weight',
    'model.layers.1.mlp.up_proj.weight',
  ]);
  expect(listSourceWeights(stages, 'model.layers.5.mlp.down_proj.weight')).toEqual([
    'model.layers.1.mlp.down_proj.weight',
  ]);
});

it('promises the least of its stages, and multiplies their learning rates', () => {
  const source = tiny(gpt2);
  const stages = planStages(source, [
    ask('hypercloning', { hidden: 24 }),
    ask('net2net', { ffn: 40 }),
    ask('stack', { layers: 4 }),
  ]);
  expect(combinePromises(stages).kind).toBe('approximate');
  expect(combinePromises(stages.slice(0, 2)).kind).toBe('exact');
  expect(multiplyScales(stages).get('h.3.mlp.c_fc.weight')).toMatchObject({ rate: 1 / 2 });
  expect(multiplyScales(stages).get('h.3.mlp.c_proj.weight')).toMatchObject({ rate: 1 / 2 });
  expect(multiplyScales(stages).get('wte.weight')).toMatchObject({ rate: 1, gradient: 1 / 2 });
  expect(sourceFromPlan(stages.at(-1)!).dims).toMatchObject({ hidden: 24, ffn: 40, layers: 4 });
});

it('refuses what a stage cannot grow, and nothing at all', async () => {
  expect(
    (
      await expectAppError('growth/not-a-multiple', () =>
        planStages(tiny(llama), [ask('hypercloning', { hidden: 24 }), ask('hypercloning', { hidden: 36 })]),
      )
    ).detail,
  ).toMatchObject({ from: 24, nearest: [48] });
  await expectAppError('growth/nothing', () => planStages(tiny(llama), []));
});
