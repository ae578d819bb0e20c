/** @file Recipes of several stages: one pass gives what stage after stage gives, and keeps what they keep. */
import { describe, expect, it } from 'vitest';
import { applyStages } from '../../../src-main/growth/apply/apply-stages.ts';
import { sourceFromPlan, listSourceWeights, planStages, multiplyScales, combinePromises } from '../../../src-main/growth/plan/stages.ts';
import type { GrowthRequest } from '../../../src-main/growth/recipe.ts';
import { referenceLogits, type Weights } from '../../support/reference.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { makeRequest, growWeights, makeTinyModel, drawTokens, type TinyModel } from '../tiny-model.ts';
import { gpt2, llama, familyVariants } from '../variants/index.ts';

const chained = (
  source: TinyModel,
  requests: readonly GrowthRequest[],
): { weights: Weights; config: TinyModel['config'] } => {
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
const moved = (source: TinyModel, { weights, config }: { weights: Weights; config: TinyModel['config'] }): number => {
  const tokens = drawTokens(source.dims['vocab']!);
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

describe.each(Object.entries(familyVariants))('width, depth, units and tokens in one pass: %s', (_, config) => {
  it('keeps the logits', () => {
    const source = makeTinyModel(config);
    const { hidden, ffn, layers } = source.dims as Record<string, number>;
    const requests = [
      makeRequest('hypercloning', { hidden: 2 * hidden!, ffn: 2 * ffn! }),
      makeRequest('net2net', { ffn: 2 * ffn! + 5 }),
      makeRequest('identity', { layers: layers! + 1 }),
      makeRequest('vocab', {}, { multiple: 32 }),
    ];
    const exact = combinePromises(planStages(source, requests)).kind === 'exact';
    if (exact) expect(moved(source, chained(source, requests))).toBeLessThan(1e-9);
    else expect(moved(source, chained(source, requests))).toBeLessThan(0.05);
  });
});

it('is what the stages give one after the other', () => {
  const source = makeTinyModel(llama);
  const requests = [
    makeRequest('clone-pad', { hidden: 30, ffn: 50 }),
    makeRequest('aki', { ffn: 60 }),
    makeRequest('stack', { layers: 4 }),
  ];
  let weights = source.weights;
  for (const plan of planStages(source, requests)) weights = growWeights(plan, weights);
  expect(chained(source, requests).weights).toEqual(weights);
});

it('reads only what a weight is made from', () => {
  const stages = planStages(makeTinyModel(llama), [makeRequest('aki', { ffn: 25 }), makeRequest('stack', { layers: 6 })]);
  expect(listSourceWeights(stages, 'model.layers.4.mlp.up_proj.weight')).toEqual([
    'model.layers.0.mlp.up_proj.weight',
    'model.layers.1.mlp.up_proj.weight',
  ]);
  expect(listSourceWeights(stages, 'model.layers.5.mlp.down_proj.weight')).toEqual([
    'model.layers.1.mlp.down_proj.weight',
  ]);
});

it('promises the least of its stages, and multiplies their learning rates', () => {
  const source = makeTinyModel(gpt2);
  const stages = planStages(source, [
    makeRequest('hypercloning', { hidden: 24 }),
    makeRequest('net2net', { ffn: 40 }),
    makeRequest('stack', { layers: 4 }),
  ]);
  expect(combinePromises(stages).kind).toBe('approximate');
  expect(combinePromises(stages.slice(0, 2)).kind).toBe('exact');
  expect(multiplyScales(stages).get('h.3.mlp.c_fc.weight')).toMatchObject({ lrScale: 1 / 2 });
  expect(multiplyScales(stages).get('h.3.mlp.c_proj.weight')).toMatchObject({ lrScale: 1 / 2 });
  expect(multiplyScales(stages).get('wte.weight')).toMatchObject({ lrScale: 1, gradScale: 1 / 2 });
  expect(sourceFromPlan(stages.at(-1)!).dims).toMatchObject({ hidden: 24, ffn: 40, layers: 4 });
});

it('refuses what a stage cannot grow, and nothing at all', async () => {
  expect(
    (
      await expectAppError('growth/not-a-multiple', () =>
        planStages(makeTinyModel(llama), [makeRequest('hypercloning', { hidden: 24 }), makeRequest('hypercloning', { hidden: 36 })]),
      )
    ).detail,
  ).toMatchObject({ from: 24, nearest: [48] });
  await expectAppError('growth/nothing', () => planStages(makeTinyModel(llama), []));
});
