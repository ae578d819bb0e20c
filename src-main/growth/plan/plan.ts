/**
 * @file The planner: from a checkpoint's card and a wish to what happens to every weight. Pure, and fast
 * enough to follow a slider.
 */
import { refuse } from '../../base/errors.ts';
import type { OptionValues } from '../../base/option.ts';
import { density, hasNew, keep, type AxisMap } from '../../tensor/axis-map.ts';
import { shapeOf, type Axis, type Dims } from '../../tensor/layout.ts';
import { configWith, settingsOf } from '../../model/config.ts';
import { familyById } from '../../model/families/index.ts';
import type { ModelFamily, TensorSpec } from '../../model/family.ts';
import { countActiveParameters, weightName, countParameters, parametersOf } from '../../model/parameters.ts';
import { withRotatedWidth } from '../../model/rope-config.ts';
import {
  computeCorrectionFactors,
  computeDivisionFactors,
  writesStream,
  type GrowthContext,
} from './factors.ts';
import type { WeightRules, GrowthMethod, SharedRecipe, UnreachableSize } from '../method.ts';
import { findMethod, resolveOptions } from '../methods/index.ts';
import { planMixture } from './mixture.ts';
import { canCompensateHead, mustBeZeroForNorm } from './branch-norms.ts';
import { collectNotes } from './notes.ts';
import { overrideNorms } from './post-norm.ts';
import type {
  AxisMaps,
  Factor,
  Fill,
  GrowthPlan,
  GrowthRequest,
  GrowthSource,
  LayerSource,
  Part,
  TensorRecipe,
} from '../recipe.ts';
import { resolveTargetSizes } from './sizes.ts';
import { createDTypeLookup, withDType } from './dtypes.ts';

/** What will be done, weight by weight. Refuses a wish that cannot be, with the nearest that can. */
export function planGrowth(source: GrowthSource, request: GrowthRequest): GrowthPlan {
  const family = familyById(source.family);
  const method = findMethod(request.method);
  const options = resolveOptions(method, request.options);
  const from = source.dims;
  if (method.mixture) return planMixture(source, request, method, options);
  const to = resolveTargetSizes(family, method, options, from, request.to);
  const maps = mapsOf(family, method, options, from, to, request.seed);
  const finish = method.weightRules(options);
  const layers = layersOf(method, options, from['layers']!, to['layers']!);
  const map = (axis: Axis): AxisMap => maps[axis] ?? keep(from[axis]!);
  const written = configWith(
    family,
    source.config,
    to,
    to['layers'] === from['layers'] ? undefined : layers.map((l) => l.source),
  );
  const config = withHead(
    withDType(
      withEps(
        withShare(written, family, source.settings, maps),
        family,
        source,
        finish,
        map(family.stream.axis),
      ),
      request.dtype,
    ),
    family,
    source,
    finish,
    maps,
  );
  const settings = settingsOf(family, config);
  const change: GrowthContext = {
    family,
    tied: settings['tied'] === true,
    from,
    to,
    settings: [source.settings, settings],
    map,
    keeps: finish.preserveBy,
  };
  const tensors = recipesOf(source, request, method, options, change, layers);
  const parameters = {
    before: countParameters(family, from, source.settings),
    after: countParameters(family, to, settings),
    ...(family.mixture
      ? {
          active: {
            before: countActiveParameters(family, from, source.settings),
            after: countActiveParameters(family, to, settings),
          },
        }
      : {}),
  };
  const dead = (Object.keys(maps) as Axis[]).flatMap((axis) => {
    const why = method.deadReason?.(family, axis, options);
    return why === undefined || !hasNew(maps[axis]!) ? [] : [{ axis, why }];
  });
  const plan: GrowthPlan = {
    version: 2,
    family: family.id,
    request: { ...request, options },
    from,
    to,
    config,
    maps,
    layers,
    tensors,
    promise: method.promise(family, options, Object.keys(maps)),
    dead,
    notes: [],
    parameters,
  };
  const untied =
    source.settings['tied'] === true && !change.tied
      ? [
          'The head can no longer be the embedding, because no gain before it could make up for the wider stream: it gets weights of its own.',
        ]
      : [];
  return {
    ...plan,
    notes: [...(method.notes?.({ from, to }, options) ?? []), ...untied, ...collectNotes(plan)],
  };
}

function mapsOf(
  family: ModelFamily,
  method: GrowthMethod,
  options: OptionValues,
  from: Dims,
  to: Dims,
  seed: number,
): AxisMaps {
  const maps: Partial<Record<Axis, AxisMap>> = {};
  for (const axis of Object.keys(to) as Axis[]) {
    if (to[axis] === from[axis] || (axis as string) === 'layers') continue;
    const carried = method.mapAxis({ axis, from: from[axis]!, to: to[axis]!, family, seed }, options);
    maps[axis] = 'nearest' in carried ? unreachable(axis, from[axis]!, to[axis]!, carried) : carried;
  }
  return maps;
}

function layersOf(
  method: GrowthMethod,
  options: OptionValues,
  from: number,
  to: number,
): readonly LayerSource[] {
  const found = to === from ? undefined : method.mapLayers?.(from, to, options);
  if (!found) return Array.from({ length: from }, (_, i) => ({ source: i, identity: false }));
  return 'nearest' in found ? unreachable('layers', from, to, found) : found;
}

/** Refuses a size that the method cannot reach. */
function unreachable(axis: string, from: number, to: number, { nearest, why }: UnreachableSize): never {
  return why === undefined
    ? refuse('growth/not-a-multiple', { axis, from, to, nearest })
    : refuse('growth/constraint', { axis, to, why, nearest });
}

/**
 * A recipe for every weight of the grown model, in the order of the family's table. Lines of a table are
 * worked out once for all layers.
 */
function recipesOf(
  source: GrowthSource,
  request: GrowthRequest,
  method: GrowthMethod,
  options: OptionValues,
  change: GrowthContext,
  layers: readonly LayerSource[],
): readonly TensorRecipe[] {
  const { family, from, to } = change;
  const lines = new Map<string, SharedRecipe & Pick<TensorRecipe, 'from'>>();
  const dtypeOf = createDTypeLookup(source, request, family.prefixes);
  const deviation = Number(source.settings['std']);
  const last = from['layers']! - 1;
  return parametersOf(family, to, change.settings[1]).map(({ name, key, layer, expert, spec, shape }) => {
    let line = lines.get(key);
    if (!line)
      lines.set(
        key,
        (line = {
          ...lineOf(change, method, options, key, spec, deviation),
          from: shapeOf(spec.layout, from),
        }),
      );
    const origin = layer === undefined ? undefined : layers[layer]!;
    const sourceName =
      key === family.head.weight && source.settings['tied'] === true
        ? family.head.tiedTo
        : origin === undefined
          ? name
          : weightName(key, origin.source, expert);
    const second =
      method.copiesNextLayer && origin && origin.source < last && copiesOut(change, spec)
        ? weightName(key, origin.source + 1, expert)
        : undefined;
    return {
      name,
      source: sourceName,
      ...(second === undefined ? {} : { second }),
      kind: spec.kind,
      layout: spec.layout.text,
      to: shape,
      dtype: dtypeOf(sourceName),
      ...line,
      zeroOutput: origin?.identity === true && writesStream(family, spec),
      ...(origin?.identity ? { newLayer: true as const } : {}),
      offset: spec.offset,
      ...overrideNorms(family, layers, layer, key, spec),
    };
  });
}

const copiesOut = (change: GrowthContext, spec: TensorSpec): boolean =>
  spec.layout.axes.some(({ axis, role }) => role === 'out' && change.map(axis).copies > 1);

/** What is the same for a weight in all layers. */
function lineOf(
  change: GrowthContext,
  method: GrowthMethod,
  options: OptionValues,
  key: string,
  spec: TensorSpec,
  deviation: number,
): SharedRecipe {
  const { family } = change;
  const finish = method.weightRules(options);
  const shares = computeDivisionFactors(change, spec);
  const rest = computeCorrectionFactors(change, key, spec);
  const head = key === family.head.weight;
  const spread =
    finish.spread === 'diagonal' && shares.length > 0 && copiesOut(change, spec) && !head
      ? 'diagonal'
      : 'symmetric';
  const breaks = shares.length > 0 && !head;
  const rate = [...shares, ...rest].reduce((product, f: Factor) => (f.part ? product : product * f.by), 1);
  const copies = spec.layout.axes.reduce((product, { axis }) => {
    const map = change.map(axis);
    return product * (map.counts ? map.to / map.from : map.copies);
  }, 1);
  const line: SharedRecipe = {
    factors: spread === 'diagonal' ? rest : [...shares, ...rest],
    ...fillsOf(change, method, options, key, spec),
    std: deviation,
    spread,
    noise: breaks ? finish.noise : null,
    projection: breaks && finish.projection ? deviation : null,
    perturbation: 0,
    lrScale: rate,
    gradScale: 1 / (copies * rate),
  };
  return { ...line, ...method.adapt?.({ context: change, key, spec, std: deviation }, line, options) };
}

/** How new entries of each axis are filled; entries of a fused axis may differ. */
function fillsOf(
  { family, map, keeps }: GrowthContext,
  method: GrowthMethod,
  options: OptionValues,
  key: string,
  spec: TensorSpec,
): Pick<SharedRecipe, 'fills' | 'partFills'> {
  const fills: Partial<Record<Axis, Fill>> = {};
  const partFills: { axis: Axis; part: Part; fill: Fill }[] = [];
  const fused = spec.layout.axes.find(({ axis }) => family.parts[axis])?.axis;
  for (const { axis, role } of spec.layout.axes) {
    if (!hasNew(map(axis))) continue;
    const place = { family, key, kind: spec.kind, axis, role };
    const zero = keeps !== 'none' && role === 'out' && mustBeZeroForNorm(family, key, axis);
    const fill = (fills[axis] = zero ? 'zero' : method.fill(place, options));
    if (fused)
      family.parts[fused]!.forEach((part, entry) => {
        const own = method.fill({ ...place, part }, options);
        if (own !== fill) partFills.push({ axis, part: { axis: fused, entry }, fill: own });
      });
  }
  return partFills.length ? { fills, partFills } : { fills };
}

/** Where a share of each head is turned, wider heads turn as many entries as before. */
function withShare(
  config: GrowthPlan['config'],
  { settings }: ModelFamily,
  { partialRotaryFactor }: GrowthSource['settings'],
  { head_dim: map }: AxisMaps,
): GrowthPlan['config'] {
  const key = settings['partialRotaryFactor']?.keys[0];
  return key !== undefined && map
    ? withRotatedWidth(config, key, Number(partialRotaryFactor), map.from, map.to)
    : config;
}

/** Variant A: the mean square of a padded stream shrinks, and eps with it. */
function withEps(
  config: GrowthPlan['config'],
  family: ModelFamily,
  { settings }: GrowthSource,
  { preserveBy: keeps }: WeightRules,
  stream: AxisMap,
): GrowthPlan['config'] {
  const key = family.settings['eps']?.keys[0];
  return keeps === 'gains' && density(stream) < 1 && key !== undefined
    ? { ...config, [key]: Number(settings['eps']) * density(stream) }
    : config;
}

/** A tied head that nothing before it can pay for gets weights of its own once the stream it reads grows. */
function withHead(
  config: GrowthPlan['config'],
  family: ModelFamily,
  { settings }: GrowthSource,
  { preserveBy: keeps }: WeightRules,
  maps: AxisMaps,
): GrowthPlan['config'] {
  const reads = family.tensors[family.head.weight]!.layout.axes.some(
    ({ axis, role }) => role === 'in' && maps[axis],
  );
  return settings['tied'] === true && reads && keeps !== 'none' && !canCompensateHead(family)
    ? { ...config, [family.settings['tied']!.keys[0]!]: false }
    : config;
}
