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
import { activeCount, nameAt, parameterCount, parametersOf } from '../../model/parameters.ts';
import { withTurned } from '../../model/rope.ts';
import { corrections, divisions, writesStream, type Change } from './correction.ts';
import type { Finish, GrowthMethod, Line, Nearest } from '../method.ts';
import { methodById, optionsOf } from '../methods/index.ts';
import { planMixture } from './mixing.ts';
import { headCanPay, zeroForNorm } from './normed.ts';
import { notesFor } from './notes.ts';
import { handedOn } from './post-norm.ts';
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
import { targetDims } from './sizes.ts';
import { dtypesOf, withDType } from './stored.ts';

/** What will be done, weight by weight. Refuses a wish that cannot be, with the nearest that can. */
export function planGrowth(source: GrowthSource, request: GrowthRequest): GrowthPlan {
  const family = familyById(source.family);
  const method = methodById(request.method);
  const options = optionsOf(method, request.options);
  const from = source.dims;
  if (method.mixes) return planMixture(source, request, method, options);
  const to = targetDims(family, method, options, from, request.to);
  const maps = mapsOf(family, method, options, from, to, request.seed);
  const finish = method.finish(options);
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
  const change: Change = {
    family,
    tied: settings['tied'] === true,
    from,
    to,
    settings: [source.settings, settings],
    map,
    keeps: finish.keeps,
  };
  const tensors = recipesOf(source, request, method, options, change, layers);
  const parameters = {
    before: parameterCount(family, from, source.settings),
    after: parameterCount(family, to, settings),
    ...(family.mixture
      ? {
          active: {
            before: activeCount(family, from, source.settings),
            after: activeCount(family, to, settings),
          },
        }
      : {}),
  };
  const dead = (Object.keys(maps) as Axis[]).flatMap((axis) => {
    const why = method.dead?.(family, axis, options);
    return why === undefined || !hasNew(maps[axis]!) ? [] : [{ axis, why }];
  });
  const plan: GrowthPlan = {
    version: 1,
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
  return { ...plan, notes: [...(method.notes?.({ from, to }, options) ?? []), ...untied, ...notesFor(plan)] };
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
    const carried = method.carry({ axis, from: from[axis]!, to: to[axis]!, family, seed }, options);
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
  const found = to === from ? undefined : method.layers?.(from, to, options);
  if (!found) return Array.from({ length: from }, (_, i) => ({ source: i, identity: false }));
  return 'nearest' in found ? unreachable('layers', from, to, found) : found;
}

/** Refuses a size that the method cannot reach. */
function unreachable(axis: string, from: number, to: number, { nearest, why }: Nearest): never {
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
  change: Change,
  layers: readonly LayerSource[],
): readonly TensorRecipe[] {
  const { family, from, to } = change;
  const lines = new Map<string, Line & Pick<TensorRecipe, 'from'>>();
  const dtypeOf = dtypesOf(source, request, family.aliases);
  const deviation = Number(source.settings['deviation']);
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
          : nameAt(key, origin.source, expert);
    const second =
      method.ahead && origin && origin.source < last && copiesOut(change, spec)
        ? nameAt(key, origin.source + 1, expert)
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
      silent: origin?.identity === true && writesStream(family, spec),
      ...(origin?.identity ? { fresh: true as const } : {}),
      offset: spec.offset,
      ...handedOn(family, layers, layer, key, spec),
    };
  });
}

const copiesOut = (change: Change, spec: TensorSpec): boolean =>
  spec.layout.axes.some(({ axis, role }) => role === 'out' && change.map(axis).copies > 1);

/** What is the same for a weight in all layers. */
function lineOf(
  change: Change,
  method: GrowthMethod,
  options: OptionValues,
  key: string,
  spec: TensorSpec,
  deviation: number,
): Line {
  const { family } = change;
  const finish = method.finish(options);
  const shares = divisions(change, spec);
  const rest = corrections(change, key, spec);
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
  const line: Line = {
    factors: spread === 'diagonal' ? rest : [...shares, ...rest],
    ...fillsOf(change, method, options, key, spec),
    deviation,
    spread,
    noise: breaks ? finish.noise : null,
    projection: breaks && finish.projects ? deviation : null,
    perturbation: 0,
    rate,
    gradient: 1 / (copies * rate),
  };
  return { ...line, ...method.adapt?.({ change, key, spec, deviation }, line, options) };
}

/** How new entries of each axis are filled; entries of a fused axis may differ. */
function fillsOf(
  { family, map, keeps }: Change,
  method: GrowthMethod,
  options: OptionValues,
  key: string,
  spec: TensorSpec,
): Pick<Line, 'fills' | 'partFills'> {
  const fills: Partial<Record<Axis, Fill>> = {};
  const partFills: { axis: Axis; part: Part; fill: Fill }[] = [];
  const fused = spec.layout.axes.find(({ axis }) => family.parts[axis])?.axis;
  for (const { axis, role } of spec.layout.axes) {
    if (!hasNew(map(axis))) continue;
    const place = { family, key, kind: spec.kind, axis, role };
    const zero = keeps !== 'none' && role === 'out' && zeroForNorm(family, key, axis);
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
  { ropeShare }: GrowthSource['settings'],
  { head_dim: map }: AxisMaps,
): GrowthPlan['config'] {
  const key = settings['ropeShare']?.keys[0];
  return key !== undefined && map ? withTurned(config, key, Number(ropeShare), map.from, map.to) : config;
}

/** Variant A: the mean square of a padded stream shrinks, and eps with it. */
function withEps(
  config: GrowthPlan['config'],
  family: ModelFamily,
  { settings }: GrowthSource,
  { keeps }: Finish,
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
  { keeps }: Finish,
  maps: AxisMaps,
): GrowthPlan['config'] {
  const reads = family.tensors[family.head.weight]!.layout.axes.some(
    ({ axis, role }) => role === 'in' && maps[axis],
  );
  return settings['tied'] === true && reads && keeps !== 'none' && !headCanPay(family)
    ? { ...config, [family.settings['tied']!.keys[0]!]: false }
    : config;
}
