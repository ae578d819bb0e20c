/**
 * @file Several growths in sequence, width and then depth, as one: each stage plans from what the one before
 * it makes, and every weight passes through all of them at once.
 */
import { refuse } from '../../base/errors.ts';
import { familyById } from '../../model/families/index.ts';
import { settingsOf } from '../../model/config.ts';
import { applyRecipe, type Values } from '../apply/apply.ts';
import { planGrowth } from './plan.ts';
import type { GrowthPlan, GrowthRequest, GrowthSource, Promised, TensorRecipe } from '../recipe.ts';

/**
 * A plan for each request, from the first to the last. Refuses what `planGrowth` refuses, and an empty list.
 */
export function planStages(source: GrowthSource, requests: readonly GrowthRequest[]): readonly GrowthPlan[] {
  if (requests.length === 0) refuse('growth/nothing', { method: 'a recipe without stages' });
  const stages: GrowthPlan[] = [];
  for (const request of requests)
    stages.push(planGrowth(stages.length ? sourceFromPlan(stages.at(-1)!) : source, request));
  return stages;
}

/** What a plan makes, as the source of the next. */
export function sourceFromPlan({ family, to, config, tensors }: GrowthPlan): GrowthSource {
  return {
    family,
    dims: to,
    settings: settingsOf(familyById(family), config),
    config,
    tensors: tensors.map(({ name, dtype }) => ({ name, dtype })),
  };
}

/** A recipe by the name of the weight it makes. */
export const findRecipe = (plan: GrowthPlan, name: string): TensorRecipe =>
  plan.tensors.find((t) => t.name === name) ??
  refuse('checkpoint/missing-tensors', { path: 'the plan', names: [name] });

const readBy = ({ source, second }: TensorRecipe): readonly string[] =>
  second === undefined ? [source] : [source, second];

/** The weights of the first source that the weight `name` of the last stage is made from. */
export function listSourceWeights(stages: readonly GrowthPlan[], name: string): readonly string[] {
  const names = stages.reduceRight<readonly string[]>(
    (wanted, plan) => wanted.flatMap((n) => readBy(findRecipe(plan, n))),
    [name],
  );
  return [...new Set(names)];
}

/**
 * One weight of the last stage from weights of the first source; nothing is rounded to a stored dtype between
 * stages.
 */
export function applyStages<T extends Values>(
  stages: readonly GrowthPlan[],
  name: string,
  sources: ReadonlyMap<string, T>,
): T {
  const plan = stages.at(-1);
  if (!plan)
    return sources.get(name) ?? refuse('checkpoint/missing-tensors', { path: 'the source', names: [name] });
  const recipe = findRecipe(plan, name);
  const [first, second] = readBy(recipe).map((n) => applyStages(stages.slice(0, -1), n, sources));
  return applyRecipe(recipe, plan.maps, plan.from, plan.to, first!, plan.request.seed, second);
}

/** Exact where every stage is, with all their reasons, each told once. */
export const combinePromises = (stages: readonly GrowthPlan[]): Promised => ({
  kind: stages.every((plan) => plan.promise.kind === 'exact') ? 'exact' : 'approximate',
  why: [...new Set(stages.flatMap((plan) => plan.promise.why))],
});

/**
 * How the weights of the last stage train beside those of the first source: learning rate times `rate` (decay
 * divided by it), gradients, and so Adam's eps, times `gradient` (c and f of methods.md 1.11), those of all
 * stages multiplied; `from` is the shape in the first source.
 */
export const multiplyScales = (
  stages: readonly GrowthPlan[],
): ReadonlyMap<string, Pick<TensorRecipe, 'lrScale' | 'gradScale' | 'from'>> =>
  stages.reduce<ReturnType<typeof multiplyScales>>(
    (before, plan) =>
      new Map(
        plan.tensors.map((t) => {
          const own = before.get(t.source);
          return [
            t.name,
            {
              lrScale: t.lrScale * (own?.lrScale ?? 1),
              gradScale: t.gradScale * (own?.gradScale ?? 1),
              from: own?.from ?? t.from,
            },
          ];
        }),
      ),
    new Map(),
  );

/** What a person should know about a recipe: the notes of its stages, those said before left out. */
export const mergeNotes = (stages: readonly GrowthPlan[]): readonly string[] => [
  ...new Set(stages.flatMap((plan) => plan.notes)),
];

/** Sizes and parameters before the first stage and after the last. */
export function summarizeSizes(
  stages: readonly GrowthPlan[],
): Pick<GrowthPlan, 'from' | 'to' | 'parameters'> {
  const first = stages[0]!;
  const last = stages.at(-1)!;
  const [before, after] = [first.parameters, last.parameters];
  const active =
    (before.active ?? after.active)
      ? {
          active: {
            before: before.active?.before ?? before.before,
            after: after.active?.after ?? after.after,
          },
        }
      : {};
  return {
    from: first.from,
    to: last.to,
    parameters: { before: before.before, after: after.after, ...active },
  };
}
