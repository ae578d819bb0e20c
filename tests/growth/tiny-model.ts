/**
 * @file Tiny random models in memory, growth requests for them, and how much a growth changes their logits
 * in the float64 reference implementation.
 */
import { integerAt, deriveKey, normalAt } from '../../src-main/base/random.ts';
import type { JsonObject } from '../../src-main/base/json.ts';
import { applyRecipe } from '../../src-main/growth/apply/apply.ts';
import type { GrowthPlan, GrowthRequest, GrowthSource, TensorRecipe } from '../../src-main/growth/recipe.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyById, familyOf } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { countElements, type Axis } from '../../src-main/tensor/layout.ts';
import { referenceLogits, type Weights } from '../support/reference.ts';

/** Largest logit change that counts as exact in float64. */
export const exactTolerance = 1e-9;

export interface TinyModel extends GrowthSource {
  readonly weights: Weights;
}

/** A model whose weights are all random, including gains and biases. */
export function makeTinyModel(config: JsonObject, seed = 1): TinyModel {
  const family = familyOf(config);
  const dims = dimsOf(family, config);
  const settings = settingsOf(family, config);
  const weights = new Map<string, Float64Array>();
  for (const { name, spec, shape } of parametersOf(family, dims, settings)) {
    const key = deriveKey(seed, name);
    const mean = spec.kind === 'gain' ? 1 : 0;
    const std = spec.kind === 'linear' ? 0.4 : spec.kind === 'lookup' ? 0.7 : 0.3;
    const values = { length: countElements(shape) };
    weights.set(
      name,
      Float64Array.from(values, (_, i) => mean + std * normalAt(key, i)),
    );
  }
  return {
    family: family.id,
    dims,
    settings,
    config,
    tensors: [...weights.keys()].map((name) => ({ name, dtype: 'float32' })),
    weights,
  };
}

export const makeRequest = (
  method: string,
  to: Readonly<Record<string, number>>,
  options: GrowthRequest['options'] = {},
  seed = 7,
): GrowthRequest => ({ method, to, options, seed, dtype: 'keep' });

/**
 * The sizes of `to` that the family can grow: it derives others, or they are fixed. Twice the units of the MLP if there
 * is none; empty if they follow from other sizes.
 */
export function growableSizes(
  { family: id, dims }: Pick<GrowthSource, 'family' | 'dims'>,
  to: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const family = familyById(id);
  const isFree = (axis: string): boolean =>
    family.dims[axis]!.keys.length > 0 && family.frozen[axis as Axis] === undefined;
  const entries = Object.entries(to).filter(([axis]) => isFree(axis));
  if (entries.length > 0) return Object.fromEntries(entries);
  return isFree('ffn') ? { ffn: 2 * dims['ffn']! } : {};
}

/** All grown weights, in float64. `change` alters recipes before they are applied. */
export function growWeights(
  plan: GrowthPlan,
  weights: Weights,
  change: (recipe: TensorRecipe) => TensorRecipe = (recipe) => recipe,
): Weights {
  const { maps, from, to } = plan;
  const grown = new Map<string, Float64Array>();
  for (const recipe of plan.tensors) {
    const second = recipe.second === undefined ? undefined : weights.get(recipe.second)!;
    const values = weights.get(recipe.source)!;
    grown.set(recipe.name, applyRecipe(change(recipe), maps, from, to, values, plan.request.seed, second));
  }
  return grown;
}

export const drawTokens = (vocab: number, count = 9, seed = 3): readonly number[] =>
  Array.from({ length: count }, (_, i) => integerAt(deriveKey(seed, 'tokens'), i, vocab));

/** Largest difference of two models' logits over the tokens of the smaller vocabulary, which is the first. */
export function maxDifference(
  before: ArrayLike<number>,
  after: ArrayLike<number>,
  vocabBefore: number,
  vocabAfter: number,
): number {
  let most = 0;
  for (let i = 0; i < before.length; i++) {
    const position = Math.floor(i / vocabBefore);
    const token = i % vocabBefore;
    most = Math.max(most, Math.abs(before[i]! - after[position * vocabAfter + token]!));
  }
  return most;
}

/** Largest change of a logit when `source` grows by `plan`; logits of new tokens are left out. */
export function maxLogitChange(
  source: TinyModel,
  plan: GrowthPlan,
  grown: Weights = growWeights(plan, source.weights),
  config: JsonObject = plan.config,
): number {
  const tokens = drawTokens(source.dims['vocab']!);
  const before = referenceLogits(source.config, source.weights, tokens);
  const after = referenceLogits(config, grown, tokens);
  return maxDifference(before, after, plan.from['vocab']!, plan.to['vocab']!);
}
