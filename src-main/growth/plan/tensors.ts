/** @file The recipe of every weight of the grown model. */
import { hasNew } from '../../tensor/axis-map.ts';
import { storedShapeOf, type Axis } from '../../tensor/layout.ts';
import type { TensorSpec } from '../../model/family.ts';
import { parametersOf, weightName } from '../../model/parameters.ts';
import type { ConfiguredMethod, GrowthContext, Insertion, SharedRecipe, WeightContext } from '../method.ts';
import type { Fill, GrowthRequest, GrowthSource, LayerSource, Part, TensorRecipe } from '../recipe.ts';
import { mustBeZeroForNorm } from './branch-norms.ts';
import { createDTypeLookup } from './dtypes.ts';
import { computeCorrectionFactors, computeDivisionFactors, writesStream } from './factors.ts';
import { overrideNorms } from './post-norm.ts';

/** A recipe for every weight, in the order of the family's table. What layers share is computed once. */
export function planTensors(
  source: GrowthSource,
  request: GrowthRequest,
  configured: ConfiguredMethod,
  context: GrowthContext,
  layers: readonly LayerSource[],
): readonly TensorRecipe[] {
  const { family, from, to, settings } = context;
  const { method } = configured;
  const isTied = source.settings['tied'] === true;
  const lastLayer = from['layers']! - 1;
  const std = Number(source.settings['std']);
  const dtypeOf = createDTypeLookup(source, request, family.prefixes);
  const shared = new Map<string, SharedRecipe & Pick<TensorRecipe, 'from'>>();
  const sharedRecipe = (key: string, spec: TensorSpec): SharedRecipe & Pick<TensorRecipe, 'from'> => {
    const known = shared.get(key);
    if (known) return known;
    const recipe = planSharedRecipe(configured, { context, key, spec, std });
    const entry = { ...recipe, from: storedShapeOf(spec.layout, from) };
    shared.set(key, entry);
    return entry;
  };
  const sourceName = (key: string, name: string, origin?: LayerSource, expert?: number): string => {
    if (key === family.head.weight && isTied) return family.head.tiedTo;
    return origin === undefined ? name : weightName(key, origin.source, expert);
  };
  return parametersOf(family, to, settings.after).map(({ name, key, layer, expert, spec, shape }) => {
    const origin = layer === undefined ? undefined : layers[layer]!;
    const first = sourceName(key, name, origin, expert);
    const readsNextLayer =
      method.copiesNextLayer && origin && origin.source < lastLayer && copiesOutput(context, spec);
    const isNewLayer = origin?.identity === true;
    return {
      name,
      source: first,
      ...(readsNextLayer ? { second: weightName(key, origin.source + 1, expert) } : {}),
      kind: spec.kind,
      layout: spec.layout.text,
      to: shape,
      dtype: dtypeOf(first),
      ...sharedRecipe(key, spec),
      zeroOutput: isNewLayer && writesStream(family, spec),
      ...(isNewLayer ? { newLayer: true as const } : {}),
      offset: spec.offset,
      ...overrideNorms(family, layers, layer, key, spec),
    };
  });
}

const copiesOutput = (context: GrowthContext, spec: TensorSpec): boolean =>
  spec.layout.axes.some(({ axis, role }) => role === 'out' && context.map(axis).copies > 1);

/** The fields of a recipe that are the same in all layers. */
function planSharedRecipe(
  { method, options, family }: ConfiguredMethod,
  weight: WeightContext,
): SharedRecipe {
  const { context, key, spec, std } = weight;
  const rules = method.weightRules(options);
  const divisions = computeDivisionFactors(context, spec);
  const corrections = computeCorrectionFactors(context, key, spec);
  const factors = [...divisions, ...corrections];
  const isHead = key === family.head.weight;
  const readsCopies = divisions.length > 0 && !isHead;
  const isDiagonal = rules.spread === 'diagonal' && readsCopies && copiesOutput(context, spec);
  const lrScale = factors.reduce((product, f) => (f.part ? product : product * f.by), 1);
  const recipe: SharedRecipe = {
    factors: isDiagonal ? corrections : factors,
    ...planFills(method, options, weight),
    std,
    spread: isDiagonal ? 'diagonal' : 'symmetric',
    noise: readsCopies ? rules.noise : null,
    projection: readsCopies && rules.projection ? std : null,
    perturbation: 0,
    lrScale,
    gradScale: 1 / (countCopies(context, spec) * lrScale),
  };
  return { ...recipe, ...method.adapt?.(weight, recipe, options) };
}

/** The number of copies of an entry, over all axes; the mean where entries have different numbers. */
const countCopies = (context: GrowthContext, spec: TensorSpec): number =>
  spec.layout.axes.reduce((product, { axis }) => {
    const map = context.map(axis);
    return product * (map.counts ? map.to / map.from : map.copies);
  }, 1);

/** The fills of new entries of each axis. Entries of a fused axis may have different ones. */
function planFills(
  method: ConfiguredMethod['method'],
  options: ConfiguredMethod['options'],
  { context, key, spec }: WeightContext,
): Pick<SharedRecipe, 'fills' | 'partFills'> {
  const { family, map, preserveBy } = context;
  const fills: Partial<Record<Axis, Fill>> = {};
  const partFills: { axis: Axis; part: Part; fill: Fill }[] = [];
  const fused = spec.layout.axes.find(({ axis }) => family.parts[axis])?.axis;
  for (const { axis, role } of spec.layout.axes) {
    if (!hasNew(map(axis))) continue;
    const insertion: Insertion = { family, key, kind: spec.kind, axis, role };
    const isZero = preserveBy !== 'none' && role === 'out' && mustBeZeroForNorm(family, key, axis);
    const fill = isZero ? 'zero' : method.fill(insertion, options);
    fills[axis] = fill;
    if (!fused) continue;
    family.parts[fused]!.forEach((part, entry) => {
      const own = method.fill({ ...insertion, part }, options);
      if (own !== fill) partFills.push({ axis, part: { axis: fused, entry }, fill: own });
    });
  }
  return partFills.length > 0 ? { fills, partFills } : { fills };
}
