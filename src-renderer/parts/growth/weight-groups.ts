/**
 * @file Groups the weights of a plan for display: before, in and after the layers. Layers that are grown alike
 * form one group.
 */
import { parametersOf } from '../../../src-main/model/parameters.ts';
import { settingsOf } from '../../../src-main/model/config.ts';
import { familyById } from '../../../src-main/model/families/index.ts';
import type { GrowthPlan, TensorRecipe } from '../../../src-main/growth/recipe.ts';

export interface WeightGroup {
  readonly title: string;
  readonly detail: string;
  /** Indices of the layers that the group stands for; empty outside the layers. */
  readonly layers: readonly number[];
  readonly weights: readonly {
    readonly label: string;
    readonly recipe: TensorRecipe;
    /** How many weights of a layer it stands for: experts that are grown alike. */
    readonly count: number;
  }[];
}

interface WeightPath {
  readonly label: string;
  readonly recipe: TensorRecipe;
  readonly count: number;
  /** The recipe of the weight in each stage, the first stage first. */
  readonly path: readonly TensorRecipe[];
}
export interface WeightPathGroup extends WeightGroup {
  readonly weights: readonly WeightPath[];
}

/** The weights of a plan in the order of the checkpoint. */
export const groupWeights = (plan: GrowthPlan): readonly WeightGroup[] => group(plan, (recipe) => [recipe]);

/** The weights of the result of several stages. */
export function groupWeightPaths(plans: readonly GrowthPlan[]): readonly WeightPathGroup[] {
  const byName = plans.map((plan) => new Map(plan.tensors.map((tensor) => [tensor.name, tensor])));
  const layers = plans.slice(1).reduce(
    (before, plan) =>
      plan.layers.map(({ source, identity }) => ({
        source: before[source]!.source,
        identity: identity || before[source]!.identity,
      })),
    plans[0]!.layers,
  );
  const pathOf = (recipe: TensorRecipe): readonly TensorRecipe[] => {
    const path = [recipe];
    for (let stage = plans.length - 2; stage >= 0; stage--)
      path.unshift(byName[stage]!.get(path[0]!.source)!);
    return path;
  };
  return group({ ...plans.at(-1)!, layers }, pathOf);
}

type PathOf = (recipe: TensorRecipe) => readonly TensorRecipe[];
type ParameterInfo = ReturnType<typeof parametersOf>[number];

function group(plan: GrowthPlan, pathOf: PathOf): readonly WeightPathGroup[] {
  const family = familyById(plan.family);
  const parameters = parametersOf(family, plan.to, settingsOf(family, plan.config));
  const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  const groups: { signature: string; layers: number[]; weights: readonly WeightPath[] }[] = [];
  for (const { layer, recipes } of splitByLayer(plan.tensors, (name) => byName.get(name)?.layer)) {
    const weights = mergeExperts(recipes.map((recipe) => toWeightPath(recipe, byName, pathOf)));
    if (layer === undefined) {
      groups.push({ signature: '', layers: [], weights });
      continue;
    }
    const signature = signatureOf(weights, plan.layers[layer]?.identity);
    const same = groups.find((other) => other.signature === signature);
    if (same) same.layers.push(layer);
    else groups.push({ signature, layers: [layer], weights });
  }
  const firstLayer = groups.findIndex(({ layers }) => layers.length > 0);
  return groups.map(({ layers, weights }, i) => {
    if (layers.length > 0) return { title: titleOf(layers), detail: detailOf(plan, layers), layers, weights };
    const isBefore = i < firstLayer || firstLayer < 0;
    return { title: isBefore ? 'Before the layers' : 'After the layers', detail: '', layers, weights };
  });
}

function toWeightPath(
  recipe: TensorRecipe,
  parameters: ReadonlyMap<string, ParameterInfo>,
  pathOf: PathOf,
): WeightPath & { readonly expert: number | undefined } {
  const parameter = parameters.get(recipe.name);
  return {
    label: parameter?.key.replace(/^.*\{layer\}\./, '') ?? recipe.name,
    recipe,
    count: 1,
    path: pathOf(recipe),
    expert: parameter?.expert,
  };
}

/** Layers with the same signature are grown alike. */
function signatureOf(weights: readonly WeightPath[], isIdentity: boolean | undefined): string {
  const withoutNames = weights.map(({ label, path }) => [
    label,
    path.map((recipe) => removeNames(recipe, path.length > 1 ? recipe.name : recipe.source)),
  ]);
  return JSON.stringify([isIdentity, withoutNames]);
}

/** A recipe without what differs between layers. `ownName` is the name of the weight of the same layer. */
const removeNames = ({ second, ...recipe }: TensorRecipe, ownName: string | undefined): unknown => ({
  ...recipe,
  name: '',
  source: recipe.source === ownName ? '' : 'elsewhere',
  second: second === undefined ? '' : 'next',
});

/** Merges weights of experts that are grown alike; their label lists the experts. */
function mergeExperts(
  weights: readonly (WeightPath & { readonly expert: number | undefined })[],
): WeightPath[] {
  const merged = new Map<string, WeightPath & { readonly experts: number[] }>();
  for (const { expert, ...weight } of weights) {
    const key = expert === undefined ? weight.recipe.name : expertKey(weight, expert);
    const same = merged.get(key);
    if (same) same.experts.push(expert!);
    else merged.set(key, { ...weight, experts: expert === undefined ? [] : [expert] });
  }
  return [...merged.values()].map(({ experts, label, ...weight }) => {
    const list = experts.length === 1 ? String(experts[0]) : `[${formatList(experts)}]`;
    return { ...weight, count: Math.max(1, experts.length), label: label.replace('{expert}', list) };
  });
}

/** Experts with the same key are grown alike. */
function expertKey({ label, path }: WeightPath, expert: number): string {
  const hideExpert = (name: string): string => name.replace(`.experts.${expert}.`, '.experts.*.');
  const withoutNames = path.map((recipe) => ({
    ...recipe,
    name: '',
    source: hideExpert(recipe.source),
    second: hideExpert(recipe.second ?? ''),
  }));
  return JSON.stringify([label, withoutNames]);
}

interface LayerRecipes {
  /** Undefined outside the layers. */
  readonly layer: number | undefined;
  readonly recipes: TensorRecipe[];
}

/** Splits the recipes where the layer changes. */
function splitByLayer(
  recipes: readonly TensorRecipe[],
  layerOf: (name: string) => number | undefined,
): readonly LayerRecipes[] {
  const out: LayerRecipes[] = [];
  for (const recipe of recipes) {
    const layer = layerOf(recipe.name);
    const last = out.at(-1);
    if (last && last.layer === layer) last.recipes.push(recipe);
    else out.push({ layer, recipes: [recipe] });
  }
  return out;
}

const titleOf = (layers: readonly number[]): string =>
  layers.length === 1 ? `Layer ${layers[0]! + 1}` : `Layers ${formatList(layers.map((layer) => layer + 1))}`;

/** How many layers the group stands for, and what they are made from. */
function detailOf(plan: GrowthPlan, layers: readonly number[]): string {
  const count = layers.length > 1 ? `${layers.length} layers, grown the same way` : '';
  return [count, describeOrigin(plan, layers)].filter(Boolean).join('; ');
}

function describeOrigin(plan: GrowthPlan, layers: readonly number[]): string {
  const origins = layers.map((layer) => plan.layers[layer]).filter((origin) => origin !== undefined);
  const areInPlace = origins.every((origin, i) => origin.source === layers[i] && !origin.identity);
  if (areInPlace || origins.length === 0) return '';
  if (origins.every(({ identity }) => identity)) return 'new, initialised as the identity';
  const sources = origins.map(({ source }) => source + 1);
  return `made from layer${sources.length > 1 ? 's' : ''} ${formatList(sources)}`;
}

/** `1 to 12` for consecutive numbers; else `1, 3, 5`, shortened to `1, 3, 5 … 23` if there are more than eight. */
function formatList(numbers: readonly number[]): string {
  const isConsecutive = numbers.every((n, i) => i === 0 || n === numbers[i - 1]! + 1);
  if (isConsecutive && numbers.length > 2) return `${numbers[0]} to ${numbers.at(-1)}`;
  return numbers.length <= 8 ? numbers.join(', ') : `${numbers.slice(0, 3).join(', ')} … ${numbers.at(-1)}`;
}
