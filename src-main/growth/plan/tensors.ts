/** @file The recipe of every weight of the grown model. */
import { hasNew } from '../../tensor/axis-map.ts';
import { storedShapeOf, type Axis } from '../../tensor/layout.ts';
import type { TensorSpec } from '../../model/family.ts';
import { parametersOf, weightName, type Parameter } from '../../model/parameters.ts';
import type { ConfiguredMethod, GrowthContext, Insertion, SharedRecipe, WeightContext } from '../method.ts';
import type { Fill, GrowthRequest, GrowthSource, LayerSource, Part, TensorRecipe } from '../recipe.ts';
import { mustBeZeroForNorm } from './branch-norms.ts';
import { createDTypeLookup } from './dtypes.ts';
import { computeCorrectionFactors, computeDivisionFactors, writesStream } from './factors.ts';
import { overrideNorms } from './post-norm.ts';

/** A recipe for every weight, in the order of the family's table. Fields that layers share are computed once. */
export function planTensors(
  source: GrowthSource,
  request: GrowthRequest,
  configured: ConfiguredMethod,
  context: GrowthContext,
  layers: readonly LayerSource[],
): readonly TensorRecipe[] {
  const { family, to, settings } = context;
  const dtypeOf = createDTypeLookup(source, request, family.namePrefix);
  const planShared = createSharedPlanner(source, configured, context);
  return parametersOf(family, to, settings.after).map((parameter): TensorRecipe => {
    const { name, key, layer, spec, shape } = parameter;
    const origin = layer === undefined ? undefined : layers[layer]!;
    const isNewLayer = origin?.identity === true;
    const inputs = findInputs(source, configured, context, parameter, origin);
    return {
      name,
      ...inputs,
      kind: spec.kind,
      layout: spec.layout.text,
      to: shape,
      dtype: dtypeOf(inputs.source),
      ...planShared(key, spec),
      zeroOutput: isNewLayer && writesStream(family, spec),
      ...(isNewLayer ? { newLayer: true } : {}),
      offset: spec.offset,
      ...overrideNorms(family, layers, layer, key, spec),
    };
  });
}

/** The names of the source weights of one weight. `origin` is the source of its layer, if it is in one. */
function findInputs(
  { settings }: GrowthSource,
  { method }: ConfiguredMethod,
  context: GrowthContext,
  { name, key, expert, spec }: Parameter,
  origin: LayerSource | undefined,
): Pick<TensorRecipe, 'source' | 'second'> {
  const { head } = context.family;
  const isTiedHead = key === head.weight && settings['tied'] === true;
  if (isTiedHead) return { source: head.tiedTo };
  if (!origin) return { source: name };
  const source = weightName(key, origin.source, expert);
  const hasNextLayer = origin.source < context.from['layers']! - 1;
  if (!method.copiesNextLayer || !hasNextLayer || !copiesOutput(context, spec)) return { source };
  return { source, second: weightName(key, origin.source + 1, expert) };
}

type SharedFields = SharedRecipe & Pick<TensorRecipe, 'from'>;

/** A function that plans the fields that are the same in all layers, once for each key. */
function createSharedPlanner(
  source: GrowthSource,
  configured: ConfiguredMethod,
  context: GrowthContext,
): (key: string, spec: TensorSpec) => SharedFields {
  const std = Number(source.settings['std']);
  const planned = new Map<string, SharedFields>();
  return (key, spec) => {
    const known = planned.get(key);
    if (known) return known;
    const recipe = planSharedRecipe(configured, { context, key, spec, std });
    const fields = { ...recipe, from: storedShapeOf(spec.layout, context.from) };
    planned.set(key, fields);
    return fields;
  };
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
