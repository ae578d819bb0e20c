/**
 * @file Grows Adam's moments with the weights, so that training continues where the source's stopped
 * (docs/methods.md, Learning rates and moments).
 */
import { hasAxis, parseLayout, type Dims } from '../../tensor/layout.ts';
import { findRecipe } from '../plan/stages.ts';
import type { AxisMaps, Factor, GrowthPlan, TensorRecipe } from '../recipe.ts';
import { applyRecipe } from './apply.ts';
import type { Values } from './copy-rows.ts';

/** Both moments of a weight, in stored order. */
export interface Moments<T extends Values> {
  readonly expAvg: T;
  readonly expAvgSq: T;
}

/** The power of the gradient factor f that each part of an optimizer's state is multiplied by. */
export const gradScalePowers = { expAvg: 1, expAvgSq: 2, momentum: 1 } as const;
export type MomentPart = keyof typeof gradScalePowers;

/**
 * The moments of a grown weight: every copy has f times the source's first moment and f² times its second.
 * Entries without a source, and new identity layers, start at zero.
 */
export const growMoments = <T extends Values>(
  recipe: TensorRecipe,
  maps: AxisMaps,
  from: Dims,
  to: Dims,
  { expAvg, expAvgSq }: Moments<T>,
): Moments<T> => ({
  expAvg: growMoment(recipe, maps, from, to, expAvg, 'expAvg'),
  expAvgSq: growMoment(recipe, maps, from, to, expAvgSq, 'expAvgSq'),
});

function growMoment<T extends Values>(
  recipe: TensorRecipe,
  maps: AxisMaps,
  from: Dims,
  to: Dims,
  values: T,
  part: MomentPart,
): T {
  const gradFactors = computeGradFactors(recipe, maps);
  const powers = Array.from({ length: gradScalePowers[part] }, () => gradFactors);
  const momentRecipe: TensorRecipe = {
    ...recipe,
    factors: powers.flat(),
    fills: {},
    partFills: [],
    spread: 'symmetric',
    noise: null,
    projection: null,
    perturbation: 0,
    offset: 0,
    zeroOutput: recipe.zeroOutput || recipe.newLayer === true,
  };
  return applyRecipe(momentRecipe, maps, from, to, values, 0);
}

/** One moment of the weight `name` of the last stage. `read` returns moments of the first source. */
export async function growMomentThroughStages<T extends Values>(
  stages: readonly GrowthPlan[],
  name: string,
  part: MomentPart,
  read: (part: MomentPart, name: string) => Promise<T>,
): Promise<T> {
  const plan = stages.at(-1);
  if (!plan) return read(part, name);
  const recipe = findRecipe(plan, name);
  const source = await growMomentThroughStages(stages.slice(0, -1), recipe.source, part, read);
  return growMoment(recipe, plan.maps, plan.from, plan.to, source, part);
}

/**
 * The gradient factor f as factors of a recipe. Entries of fused axes, and outputs with different numbers of
 * copies, have factors of their own.
 */
function computeGradFactors({ factors, gradScale, layout }: TensorRecipe, maps: AxisMaps): readonly Factor[] {
  const why = 'the gradient of one of several equal copies';
  const unevenMaps = parseLayout(layout)
    .axes.filter(({ role }) => role !== 'in')
    .flatMap(({ axis }) => {
      const map = maps[axis];
      return map?.counts ? [{ axis, map }] : [];
    });
  const mean = unevenMaps.reduce((product, { map }) => product * (map.to / map.from), gradScale);
  const shares = unevenMaps.map(({ axis, map }): Factor => ({ why, by: map.from / map.to, shared: axis }));
  const parts = factors.flatMap(({ by, part }): readonly Factor[] =>
    part ? [{ why: 'undoes the factor of the weight', by: 1 / by, part }] : [],
  );
  return [{ why, by: mean }, ...shares, ...parts, ...computeStackFactors(layout, maps)];
}

/**
 * `gradScale` counts the copies over all axes of a weight. A part of a stack without one of them, such as the key that
 * all query heads share, is not copied along it: its gradient is the sum over the copies that read it.
 */
function computeStackFactors(layout: string, maps: AxisMaps): readonly Factor[] {
  const { axes, stack } = parseLayout(layout);
  if (!stack) return [];
  return stack.entries.flatMap((entry, i): readonly Factor[] => {
    const missing = axes.filter(({ axis }) => axis !== stack.part && !hasAxis(entry, axis));
    // The mean has no copies of axes whose entries have different numbers.
    const by = missing.reduce((product, { axis }) => {
      const map = maps[axis];
      return map && !map.counts ? product * map.copies : product;
    }, 1);
    return by === 1 ? [] : [{ why: 'is read by all copies', by, part: { axis: stack.part, entry: i } }];
  });
}
