/** @file New entries learn: within ten steps, all that a plan does not report as untrainable have moved. */
import { describe, expect, it } from 'vitest';
import { resolveSides } from '../../../src-main/growth/apply/sides.ts';
import { methods } from '../../../src-main/growth/methods/index.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { GrowthPlan, GrowthRequest, TensorRecipe } from '../../../src-main/growth/recipe.ts';
import { growWeights, makeRequest, makeTinyModel } from '../tiny-model.ts';
import { initialState, modelOf, scalesOf, trainableConfigs, trainInFloat64 } from '../train-grown.ts';

type Options = GrowthRequest['options'];

const targetSizes: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  expand: { hidden: 6, ffn: 9 },
  'clone-pad': { hidden: 10, ffn: 15 },
  'copy-pad': { hidden: 6, ffn: 9 },
  'shrink-perturb': { hidden: 6, ffn: 9 },
  vocab: { vocab: 9 },
  identity: { layers: 3 },
};

/** The defaults, and each other choice of each option. */
const optionSets = (method: string): readonly Options[] => {
  const choices = methods.get(method)!.options.flatMap((option): readonly Options[] => {
    if (option.kind !== 'choice') return [];
    const others = option.choices.filter((choice) => choice.value !== option.default);
    return others.map((choice) => ({ [option.id]: choice.value }));
  });
  return [{}, ...choices];
};

/** Indices of the entries of a weight that are new or start as zeros. */
function listNewEntries(recipe: TensorRecipe, plan: GrowthPlan, length: number): readonly number[] {
  const { rows, columns } = resolveSides(recipe, plan.maps, plan.from, plan.to);
  const indices = Array.from({ length }, (_, i) => i);
  return indices.filter(
    (i) =>
      recipe.zeroOutput || rows.fill[Math.floor(i / columns.to)]! > 0 || columns.fill[i % columns.to]! > 0,
  );
}

const cases = Object.entries(trainableConfigs).flatMap(([name, config]) =>
  Object.entries(targetSizes).flatMap(([method, to]) =>
    optionSets(method).map(
      (options) => [name, method, JSON.stringify(options), config, to, options] as const,
    ),
  ),
);

describe('new entries', () => {
  it.each(cases)('of %s grown by %s with %s move', (_, method, __, config, to, options) => {
    const source = makeTinyModel(config);
    const keepsHeads = source.dims['heads'] === undefined || method === 'vocab' || method === 'identity';
    const heads = keepsHeads ? {} : { heads: (source.dims['heads']! * (to['hidden'] ?? 4)) / 4 };
    const plan = planGrowth(source, makeRequest(method, { ...to, ...heads }, options));
    const start = growWeights(plan, source.weights);
    const { weights } = trainInFloat64(modelOf(plan), initialState(start), scalesOf(plan), 10).state;
    const untrainable = new Set<string>(plan.dead.map(({ axis }) => axis));
    for (const recipe of plan.tensors) {
      const before = start.get(recipe.name)!;
      const after = weights.get(recipe.name)!;
      const hasMoved = (i: number): boolean => Math.abs(after[i]! - before[i]!) > 1e-6;
      const { rows, columns } = resolveSides(recipe, plan.maps, plan.from, plan.to);
      const isReported = [...rows.axes, ...columns.axes].some(({ axis }) => untrainable.has(axis));
      const added = listNewEntries(recipe, plan, before.length);
      if (!isReported && added.length > 0) expect(added.some(hasMoved), recipe.name).toBe(true);
      if (method === 'identity' && recipe.newLayer && recipe.kind === 'linear') {
        expect([...before.keys()].some(hasMoved), recipe.name).toBe(true);
      }
    }
  });
});
