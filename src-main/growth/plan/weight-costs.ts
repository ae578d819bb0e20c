/** @file What one weight of a grown model costs: bytes on disk, and FLOPs per training token. */
import { familyById } from '../../model/families/index.ts';
import { settingsOf } from '../../model/config.ts';
import { byteLengthOf } from '../../tensor/dtype.ts';
import { countElements } from '../../tensor/layout.ts';
import type { GrowthPlan, TensorRecipe } from '../recipe.ts';

export interface WeightCost {
  readonly parameters: number;
  /** Bytes on disk. */
  readonly bytes: number;
  /**
   * FLOPs per token of a forward and a backward pass: 6 for each entry of a matrix (2 forward, 4 backward), and 0
   * for vectors and for embeddings that are only looked up. Of experts, the share that a token selects counts.
   */
  readonly flops: number;
}

/** The cost of a weight after the growth. */
export type WeightCosts = (recipe: TensorRecipe) => WeightCost;

/** The costs of the weights of `plan`. */
export function createWeightCosts(plan: GrowthPlan): WeightCosts {
  const family = familyById(plan.family);
  const settings = settingsOf(family, plan.config);
  const expertShare = family.mixture ? Number(settings['expertsPerToken']) / plan.to['experts']! : 1;
  const expertNames = new Set(
    Object.keys(family.tensors)
      .filter((key) => key.includes('{expert}'))
      .map(toPattern),
  );
  const tiedHead = settings['tied'] === true ? toPattern(family.head.tiedTo) : undefined;
  return (recipe) => {
    const parameters = countElements(recipe.to);
    const pattern = toPattern(recipe.name);
    const isMultiplied = recipe.kind === 'linear' || pattern === tiedHead;
    const share = expertNames.has(pattern) ? expertShare : 1;
    return {
      parameters,
      bytes: byteLengthOf(recipe.dtype, parameters),
      flops: isMultiplied ? 6 * parameters * share : 0,
    };
  };
}

/** A weight name or a key of the table, without layer and expert numbers. */
const toPattern = (name: string): string => name.replace(/(^|\.)(?:\d+|\{\w+\})(?=\.)/g, '$1*');

/** The sum of several costs. */
export const addCosts = (costs: readonly WeightCost[]): WeightCost =>
  costs.reduce(
    (sum, { parameters, bytes, flops }) => ({
      parameters: sum.parameters + parameters,
      bytes: sum.bytes + bytes,
      flops: sum.flops + flops,
    }),
    { parameters: 0, bytes: 0, flops: 0 },
  );

/** The cost of `count` equal weights. */
export const multiplyCost = ({ parameters, bytes, flops }: WeightCost, count: number): WeightCost => ({
  parameters: parameters * count,
  bytes: bytes * count,
  flops: flops * count,
});
