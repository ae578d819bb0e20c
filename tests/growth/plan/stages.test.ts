/** @file Growths of several stages, planned and applied in one pass. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src-main/base/json.ts';
import { applyStages } from '../../../src-main/growth/apply/apply-stages.ts';
import {
  combinePromises,
  listSourceWeights,
  multiplyScales,
  planStages,
  sourceFromPlan,
} from '../../../src-main/growth/plan/stages.ts';
import type { GrowthPlan } from '../../../src-main/growth/recipe.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { referenceLogits, type Weights } from '../../support/reference.ts';
import {
  drawTokens,
  exactTolerance,
  growableSizes,
  growWeights,
  makeRequest,
  makeTinyModel,
  maxDifference,
  type TinyModel,
} from '../tiny-model.ts';
import { familyVariants, gpt2, llama } from '../variants/index.ts';

/** All weights of the last stage, each made from the source in one pass. */
function applyAllStages(source: TinyModel, stages: readonly GrowthPlan[]): Weights {
  const grown = new Map<string, Float64Array>();
  for (const { name } of stages.at(-1)!.tensors) {
    const inputs = listSourceWeights(stages, name).map(
      (input) => [input, source.weights.get(input)!] as const,
    );
    grown.set(name, applyStages(stages, name, new Map(inputs)));
  }
  return grown;
}

function maxLogitChange(source: TinyModel, weights: Weights, config: JsonObject): number {
  const tokens = drawTokens(source.dims['vocab']!);
  const before = referenceLogits(source.config, source.weights, tokens);
  const after = referenceLogits(config, weights, tokens);
  return maxDifference(before, after, before.length / tokens.length, after.length / tokens.length);
}

describe('four stages in width, depth, units and vocabulary', () => {
  it.each(Object.entries(familyVariants))('keep the logits of %s as promised', (_, config) => {
    const source = makeTinyModel(config);
    const { hidden, ffn, layers } = source.dims as Record<string, number>;
    const units = growableSizes(source, { ffn: 2 * ffn! + 5 });
    const stages = planStages(source, [
      makeRequest('hypercloning', growableSizes(source, { hidden: 2 * hidden!, ffn: 2 * ffn! })),
      ...('ffn' in units ? [makeRequest('net2net', units)] : []),
      makeRequest('identity', { layers: layers! + 1 }),
      makeRequest('vocab', {}, { multiple: 32 }),
    ]);
    // A new layer of a post-norm family is only nearly the identity.
    const isExact = combinePromises(stages).kind !== 'none';
    const change = maxLogitChange(source, applyAllStages(source, stages), stages.at(-1)!.config);
    expect(change).toBeLessThan(isExact ? exactTolerance : 0.05);
  });
});

describe('several stages', () => {
  it('give in one pass the weights that they give one after the other', () => {
    const source = makeTinyModel(llama);
    const stages = planStages(source, [
      makeRequest('clone-pad', { hidden: 30, ffn: 50 }),
      makeRequest('aki', { ffn: 60 }),
      makeRequest('stack', { layers: 4 }),
    ]);
    let weights = source.weights;
    for (const plan of stages) weights = growWeights(plan, weights);
    expect(applyAllStages(source, stages)).toEqual(weights);
  });

  it('read only the source weights that a grown weight is made from', () => {
    const stages = planStages(makeTinyModel(llama), [
      makeRequest('aki', { ffn: 25 }),
      makeRequest('stack', { layers: 6 }),
    ]);
    expect(listSourceWeights(stages, 'model.layers.4.mlp.up_proj.weight')).toEqual([
      'model.layers.0.mlp.up_proj.weight',
      'model.layers.1.mlp.up_proj.weight',
    ]);
    expect(listSourceWeights(stages, 'model.layers.5.mlp.down_proj.weight')).toEqual([
      'model.layers.1.mlp.down_proj.weight',
    ]);
  });

  it('promise what the weakest promises, and multiply their learning-rate factors', () => {
    const stages = planStages(makeTinyModel(gpt2), [
      makeRequest('hypercloning', { hidden: 24 }),
      makeRequest('net2net', { ffn: 40 }),
      makeRequest('stack', { layers: 4 }),
    ]);
    expect(combinePromises(stages).kind).toBe('none');
    expect(combinePromises(stages.slice(0, 2)).kind).toBe('function-preserving');
    const scales = multiplyScales(stages);
    expect(scales.get('h.3.mlp.c_fc.weight')).toMatchObject({ lrScale: 1 / 2 });
    expect(scales.get('h.3.mlp.c_proj.weight')).toMatchObject({ lrScale: 1 / 2 });
    expect(scales.get('wte.weight')).toMatchObject({ lrScale: 1, gradScale: 1 / 2 });
    expect(sourceFromPlan(stages.at(-1)!).dims).toMatchObject({ hidden: 24, ffn: 40, layers: 4 });
  });

  it('are refused if a stage is not possible, or if there are none', async () => {
    const source = makeTinyModel(llama);
    const requests = [
      makeRequest('hypercloning', { hidden: 24 }),
      makeRequest('hypercloning', { hidden: 36 }),
    ];
    const { detail } = await expectAppError('growth/not-a-multiple', () => planStages(source, requests));
    expect(detail).toMatchObject({ from: 24, nearest: [48] });
    await expectAppError('growth/nothing', () => planStages(source, []));
  });
});
