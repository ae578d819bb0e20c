/** @file Plans several growths in sequence, such as width and then depth, and combines their plans. */
import { refuse } from '../../base/errors.ts';
import { familyById } from '../../model/families/index.ts';
import { settingsOf } from '../../model/config.ts';
import { weakestPromise } from '../../model/promise.ts';
import type { GrowthPlan, GrowthRequest, GrowthSource, Promised, TensorRecipe } from '../recipe.ts';
import { planGrowth } from './plan.ts';

/**
 * A plan for each request; each stage grows the result of the one before. Refuses what `planGrowth` refuses,
 * and an empty list.
 */
export function planStages(source: GrowthSource, requests: readonly GrowthRequest[]): readonly GrowthPlan[] {
  if (requests.length === 0) refuse('growth/nothing', { method: 'a recipe without stages' });
  const stages: GrowthPlan[] = [];
  let current = source;
  for (const request of requests) {
    const plan = planGrowth(current, request);
    stages.push(plan);
    current = sourceFromPlan(plan);
  }
  return stages;
}

/** The grown model of a plan, as the source of the next stage. */
export function sourceFromPlan({ family, to, config, tensors }: GrowthPlan): GrowthSource {
  return {
    family,
    dims: to,
    settings: settingsOf(familyById(family), config),
    config,
    tensors: tensors.map(({ name, dtype }) => ({ name, dtype })),
  };
}

/** The recipe of the weight called `name`. Refuses names that the plan does not have. */
export const findRecipe = (plan: GrowthPlan, name: string): TensorRecipe =>
  plan.tensors.find((t) => t.name === name) ??
  refuse('checkpoint/missing-tensors', { path: 'the plan', names: [name] });

/** Names of the weights that a recipe reads. */
export const listInputs = ({ source, second }: TensorRecipe): readonly string[] =>
  second === undefined ? [source] : [source, second];

/** Names of the weights of the first source that the weight `name` of the last stage is made from. */
export function listSourceWeights(stages: readonly GrowthPlan[], name: string): readonly string[] {
  const names = stages.reduceRight<readonly string[]>(
    (outputs, plan) => outputs.flatMap((output) => listInputs(findRecipe(plan, output))),
    [name],
  );
  return [...new Set(names)];
}

/** What the weakest stage promises, with the reasons of all stages. */
export const combinePromises = (stages: readonly GrowthPlan[]): Promised => ({
  kind: weakestPromise(stages.map((plan) => plan.promise.kind)),
  why: [...new Set(stages.flatMap((plan) => plan.promise.why))],
});

/**
 * Learning-rate and gradient scales of every weight of the last stage, relative to the first source: the
 * products of the scales c and f over all stages (docs/methods.md, Learning rates and moments). `from` is the
 * shape in the first source.
 */
export function multiplyScales(
  stages: readonly GrowthPlan[],
): ReadonlyMap<string, Pick<TensorRecipe, 'lrScale' | 'gradScale' | 'from'>> {
  let scales = new Map<string, Pick<TensorRecipe, 'lrScale' | 'gradScale' | 'from'>>();
  for (const { tensors } of stages) {
    const before = scales;
    scales = new Map(
      tensors.map(({ name, source, lrScale, gradScale, from }) => {
        const earlier = before.get(source) ?? { lrScale: 1, gradScale: 1, from };
        const combined = {
          lrScale: lrScale * earlier.lrScale,
          gradScale: gradScale * earlier.gradScale,
          from: earlier.from,
        };
        return [name, combined];
      }),
    );
  }
  return scales;
}

/** The notes of all stages, without repetitions. */
export const mergeNotes = (stages: readonly GrowthPlan[]): readonly string[] => [
  ...new Set(stages.flatMap((plan) => plan.notes)),
];

/** Sizes and parameters before the first stage and after the last. */
export function summarizeSizes(
  stages: readonly GrowthPlan[],
): Pick<GrowthPlan, 'from' | 'to' | 'parameters'> {
  const first = stages[0]!;
  const last = stages.at(-1)!;
  const total = { before: first.parameters.before, after: last.parameters.after };
  const hasActive = first.parameters.active ?? last.parameters.active;
  const active = {
    before: first.parameters.active?.before ?? total.before,
    after: last.parameters.active?.after ?? total.after,
  };
  return { from: first.from, to: last.to, parameters: hasActive ? { ...total, active } : total };
}
