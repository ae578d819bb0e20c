/**
 * @file A plan as a person reads it: the weights before, in and after the layers, with layers that are all
 * alike, wherever they stand, folded into one.
 */
import { parametersOf } from '../../../src-main/model/parameters.ts';
import { settingsOf } from '../../../src-main/model/config.ts';
import { familyById } from '../../../src-main/model/families/index.ts';
import type { GrowthPlan, TensorRecipe } from '../../../src-main/growth/recipe.ts';

/**
 * Weights shown together. `layers` are the numbers of the layers that this group stands for; empty outside
 * the layers.
 */
export interface Fold {
  readonly title: string;
  readonly detail: string;
  readonly layers: readonly number[];
  readonly weights: readonly { readonly label: string; readonly recipe: TensorRecipe }[];
}

/** A weight and its way through the stages of a recipe, the first one first. */
interface Weight {
  readonly label: string;
  readonly recipe: TensorRecipe;
  readonly path: readonly TensorRecipe[];
}
export interface PathFold extends Fold {
  readonly weights: readonly Weight[];
}

/** The folds of a plan, in the order of the checkpoint. */
export const foldsOf = (plan: GrowthPlan): readonly Fold[] => folded(plan, (recipe) => [recipe]);

/** The folds of a recipe's result; with each weight its way through all stages, the first one first. */
export function pathFolds(plans: readonly GrowthPlan[]): readonly PathFold[] {
  const byName = plans.map((plan) => new Map(plan.tensors.map((t) => [t.name, t])));
  const layers = plans.slice(1).reduce(
    (before, plan) =>
      plan.layers.map(({ source, identity }) => ({
        source: before[source]!.source,
        identity: identity || before[source]!.identity,
      })),
    plans[0]!.layers,
  );
  return folded({ ...plans.at(-1)!, layers }, (recipe) =>
    plans
      .slice(0, -1)
      .reduceRight<readonly TensorRecipe[]>(
        (path, _, i) => [byName[i]!.get(path[0]!.source)!, ...path],
        [recipe],
      ),
  );
}

const blank = ({ second, ...recipe }: TensorRecipe, home: string | undefined): unknown => ({
  ...recipe,
  name: '',
  source: recipe.source === home ? '' : 'elsewhere',
  second: second === undefined ? '' : 'next',
});

function folded(
  plan: GrowthPlan,
  pathOf: (recipe: TensorRecipe) => readonly TensorRecipe[],
): readonly PathFold[] {
  const family = familyById(plan.family);
  const places = new Map(
    parametersOf(family, plan.to, settingsOf(family, plan.config)).map((p) => [p.name, p]),
  );
  const folds: {
    signature: string;
    layers: number[];
    weights: { label: string; recipe: TensorRecipe; path: readonly TensorRecipe[] }[];
  }[] = [];
  for (const run of runsByLayer(plan.tensors, (name) => places.get(name)?.layer)) {
    const weights = foldExperts(
      run.recipes.map((recipe) => ({
        label: places.get(recipe.name)?.key.replace(/^.*\{layer\}\./, '') ?? recipe.name,
        recipe,
        path: pathOf(recipe),
        expert: places.get(recipe.name)?.expert,
      })),
    );
    const signature =
      run.layer === undefined
        ? ''
        : JSON.stringify([
            plan.layers[run.layer]?.identity,
            weights.map((w) => [w.label, w.path.map((r) => blank(r, w.path.length > 1 ? r.name : r.source))]),
          ]);
    const same = run.layer === undefined ? undefined : folds.find((fold) => fold.signature === signature);
    if (same) same.layers.push(run.layer!);
    else folds.push({ signature, layers: run.layer === undefined ? [] : [run.layer], weights });
  }
  const firstLayer = folds.findIndex((fold) => fold.layers.length > 0);
  return folds.map((fold, i) => ({
    title:
      fold.layers.length === 0
        ? i < firstLayer || firstLayer < 0
          ? 'Before the layers'
          : 'After the layers'
        : layerTitle(fold.layers),
    detail: fold.layers.length === 0 ? '' : originOf(plan, fold.layers),
    layers: fold.layers,
    weights: fold.weights,
  }));
}

/** Weights of experts that are made alike are one, with the experts' numbers in its label. */
function foldExperts(weights: readonly (Weight & { readonly expert: number | undefined })[]): Weight[] {
  const found = new Map<string, Weight & { readonly experts: number[] }>();
  const ownless = (name: string, expert: number): string =>
    name.replace(`.experts.${expert}.`, '.experts.*.');
  for (const { expert, ...weight } of weights) {
    const alike =
      expert === undefined
        ? weight.recipe.name
        : JSON.stringify([
            weight.label,
            weight.path.map((r) => ({
              ...r,
              name: '',
              source: ownless(r.source, expert),
              second: ownless(r.second ?? '', expert),
            })),
          ]);
    const same = found.get(alike);
    if (same) same.experts.push(expert!);
    else found.set(alike, { ...weight, experts: expert === undefined ? [] : [expert] });
  }
  return [...found.values()].map(({ experts, label, ...weight }) => ({
    ...weight,
    label: label.replace('{expert}', experts.length === 1 ? String(experts[0]) : `[${shortList(experts)}]`),
  }));
}

function runsByLayer(
  recipes: readonly TensorRecipe[],
  layerOf: (name: string) => number | undefined,
): readonly { layer: number | undefined; recipes: TensorRecipe[] }[] {
  const out: { layer: number | undefined; recipes: TensorRecipe[] }[] = [];
  for (const recipe of recipes) {
    const layer = layerOf(recipe.name);
    const last = out.at(-1);
    if (last && last.layer === layer) last.recipes.push(recipe);
    else out.push({ layer, recipes: [recipe] });
  }
  return out;
}

const layerTitle = (layers: readonly number[]): string =>
  layers.length === 1 ? `Layer ${layers[0]! + 1}` : `Layers ${shortList(layers.map((layer) => layer + 1))}`;

function originOf(plan: GrowthPlan, layers: readonly number[]): string {
  const alike = layers.length > 1 ? `${layers.length} layers, all alike` : '';
  const origins = layers.map((layer) => plan.layers[layer]).filter((origin) => origin !== undefined);
  const same = origins.every((origin, i) => origin.source === layers[i] && !origin.identity);
  const from =
    same || origins.length === 0
      ? ''
      : origins.every((o) => o.identity)
        ? 'new: they start by changing nothing'
        : `made from layer${origins.length > 1 ? 's' : ''} ${shortList(origins.map((o) => o.source + 1))}`;
  return [alike, layers.length === 1 ? from.replace('they start', 'it starts') : from]
    .filter(Boolean)
    .join('; ');
}

/** "1 to 12" where none is left out, "1, 3, 5" or "1, 3, 5 … 23" where some are. */
function shortList(numbers: readonly number[]): string {
  const whole = numbers.every((n, i) => i === 0 || n === numbers[i - 1]! + 1);
  if (whole && numbers.length > 2) return `${numbers[0]} to ${numbers.at(-1)}`;
  return numbers.length <= 8 ? numbers.join(', ') : `${numbers.slice(0, 3).join(', ')} … ${numbers.at(-1)}`;
}
