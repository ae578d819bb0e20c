/**
 * @file Adam's moments through the maps of a growth, so that training goes on where the source's stopped
 * (methods.md 1.11).
 */
import { layoutOf, type Dims } from '../../tensor/layout.ts';
import { applyRecipe, type Values } from './apply.ts';
import { findRecipe } from '../plan/stages.ts';
import type { AxisMaps, Factor, GrowthPlan, TensorRecipe } from '../recipe.ts';

/** Both moments of a weight, in stored order. */
export interface Moments<T extends Values> {
  readonly expAvg: T;
  readonly expAvgSq: T;
}

/**
 * How often the gradient factor f stands in each part of an optimizer's state: mean gradients and momentum
 * are as gradients are, mean squares as their squares.
 */
export const gradScalePowers = { mean: 1, square: 2, momentum: 1 } as const;
export type MomentPart = keyof typeof gradScalePowers;

/**
 * The moments of a grown weight: f times the source's mean and f² times its square in every copy; what has no
 * source, and layers that start as the identity, start at zero. The step count stays.
 */
export const growMoments = <T extends Values>(
  recipe: TensorRecipe,
  maps: AxisMaps,
  from: Dims,
  to: Dims,
  { expAvg: mean, expAvgSq: square }: Moments<T>,
): Moments<T> => ({
  expAvg: growMoment(recipe, maps, from, to, mean, 'mean'),
  expAvgSq: growMoment(recipe, maps, from, to, square, 'square'),
});

function growMoment<T extends Values>(
  recipe: TensorRecipe,
  maps: AxisMaps,
  from: Dims,
  to: Dims,
  values: T,
  part: MomentPart,
): T {
  const once = gradientFactors(recipe, maps);
  const factors = Array.from({ length: gradScalePowers[part] }, () => once).flat();
  const bare: TensorRecipe = {
    ...recipe,
    factors,
    fills: {},
    partFills: [],
    spread: 'symmetric',
    noise: null,
    projection: null,
    perturbation: 0,
    offset: 0,
    zeroOutput: recipe.zeroOutput || recipe.newLayer === true,
  };
  return applyRecipe(bare, maps, from, to, values, 0);
}

/**
 * One part of the state of a weight of the last stage, from that of the first source's weight which it is
 * made from.
 */
export async function growMomentThroughStages<T extends Values>(
  stages: readonly GrowthPlan[],
  name: string,
  part: MomentPart,
  read: (part: MomentPart, name: string) => Promise<T>,
): Promise<T> {
  const plan = stages.at(-1);
  if (!plan) return read(part, name);
  const recipe = findRecipe(plan, name);
  return growMoment(
    recipe,
    plan.maps,
    plan.from,
    plan.to,
    await growMomentThroughStages(stages.slice(0, -1), recipe.source, part, read),
    part,
  );
}

/**
 * The gradient factor f as factors: entries of fused axes, and outputs that are copied unevenly, have factors
 * of their own.
 */
function gradientFactors(
  { factors, gradScale: gradient, layout }: TensorRecipe,
  maps: AxisMaps,
): readonly Factor[] {
  const uneven = layoutOf(layout).axes.filter(({ axis, role }) => role !== 'in' && maps[axis]?.counts);
  const why = 'the gradient of one among equal copies';
  return [
    {
      why,
      by: uneven.reduce((product, { axis }) => product * (maps[axis]!.to / maps[axis]!.from), gradient),
    },
    ...uneven.map(({ axis }): Factor => ({ why, by: maps[axis]!.from / maps[axis]!.to, shared: axis })),
    ...factors.flatMap((f): readonly Factor[] =>
      f.part ? [{ why: 'undoes the factor of the weight', by: 1 / f.by, part: f.part }] : [],
    ),
  ];
}
