/** @file The planner: from a checkpoint's card and a wish to what happens to every weight. Pure, and fast enough to follow a slider. */
import { refuse } from '../base/errors.ts';
import type { OptionValues } from '../base/option.ts';
import { hasNew, keep, type AxisMap } from '../tensor/axis-map.ts';
import type { WeightDType } from '../tensor/dtype.ts';
import { shapeOf, type Axis, type Dims } from '../tensor/layout.ts';
import { configWith } from '../model/config.ts';
import { familyById } from '../model/families/index.ts';
import type { TensorSpec } from '../model/family.ts';
import { parameterCount, parametersOf } from '../model/parameters.ts';
import { corrections, divisions, writesStream, type Change } from './correction.ts';
import type { GrowthMethod } from './method.ts';
import { methodById, optionsOf } from './methods/index.ts';
import { notesFor } from './notes.ts';
import type { AxisMaps, Factor, Fill, GrowthPlan, GrowthRequest, GrowthSource, LayerSource, TensorRecipe } from './recipe.ts';
import { targetDims } from './sizes.ts';

/** What will be done, weight by weight. Refuses a wish that cannot be, with the nearest that can. */
export function planGrowth(source: GrowthSource, request: GrowthRequest): GrowthPlan {
  const family = familyById(source.family), method = methodById(request.method);
  const options = optionsOf(method, request.options), from = source.dims;
  const to = targetDims(family, method, options, from, request.to);
  const maps = mapsOf(method, options, from, to);
  const tied = source.settings['tied'] === true;
  const change: Change = { family, tied, from, to, map: (axis) => maps[axis] ?? keep(from[axis]!) };
  const layers = method.layers?.(from['layers']!, to['layers']!, options) ?? Array.from({ length: from['layers']! }, (_, i) => ({ source: i, identity: false }));
  const tensors = recipesOf(source, request, method, options, change, layers);
  const parameters = { before: parameterCount(family, from, source.settings), after: parameterCount(family, to, source.settings) };
  const plan: GrowthPlan = {
    version: 1, family: family.id, request: { ...request, options }, from, to,
    config: withDType(configWith(family, source.config, to, to['layers'] === from['layers'] ? undefined : layers.map((l) => l.source)), request.dtype),
    maps, layers, tensors, promise: method.promise(family, options), notes: [], parameters,
  };
  return { ...plan, notes: [...(method.notes?.({ from, to }, options) ?? []), ...notesFor(plan)] };
}

function mapsOf(method: GrowthMethod, options: OptionValues, from: Dims, to: Dims): AxisMaps {
  const maps: Partial<Record<Axis, AxisMap>> = {};
  for (const axis of Object.keys(to) as Axis[]) {
    if (to[axis] === from[axis] || (axis as string) === 'layers') continue;
    const carried = method.carry({ axis, from: from[axis]!, to: to[axis]! }, options);
    maps[axis] = 'nearest' in carried ? refuse('growth/not-a-multiple', { axis, from: from[axis]!, to: to[axis]!, nearest: carried.nearest }) : carried;
  }
  return maps;
}

/** A recipe for every weight of the grown model, in the order of the family's table. Lines of a table are worked out once for all layers. */
function recipesOf(
  source: GrowthSource, request: GrowthRequest, method: GrowthMethod, options: OptionValues, change: Change, layers: readonly LayerSource[],
): readonly TensorRecipe[] {
  const { family, from, to } = change, lines = new Map<string, Line>();
  const dtypes = new Map(source.tensors.map(({ name, dtype }) => [name, dtype]));
  const deviation = Number(source.settings['deviation']), finish = method.finish(options);
  return parametersOf(family, to, source.settings).map(({ name, key, layer, spec, shape }) => {
    let line = lines.get(key);
    if (!line) lines.set(key, line = lineOf(change, method, options, finish, key, spec));
    const origin = layer === undefined ? undefined : layers[layer]!;
    const sourceName = origin === undefined ? name : key.replace('{layer}', String(origin.source));
    return {
      name, source: sourceName, kind: spec.kind, layout: spec.layout.text, from: shapeOf(spec.layout, from), to: shape,
      dtype: request.dtype === 'keep' ? dtypeOf(source, dtypes, family.aliases, sourceName) : request.dtype,
      ...line, deviation, silent: origin?.identity === true && writesStream(family, spec), offset: spec.offset,
    };
  });
}

type Line = Pick<TensorRecipe, 'factors' | 'fills' | 'spread' | 'noise' | 'rate'>;

/** What is the same for a weight in all layers. */
function lineOf(change: Change, method: GrowthMethod, options: OptionValues, finish: Pick<TensorRecipe, 'spread' | 'noise'>, key: string, spec: TensorSpec): Line {
  const { family } = change, shares = divisions(change, spec), rest = corrections(change, key, spec), head = key === family.head.weight;
  const copiedOut = spec.layout.axes.some(({ axis, role }) => role === 'out' && change.map(axis).copies > 1);
  const spread = finish.spread === 'diagonal' && shares.length > 0 && copiedOut && !head ? 'diagonal' : 'symmetric';
  const fills: Partial<Record<Axis, Fill>> = {};
  for (const { axis, role } of spec.layout.axes) if (hasNew(change.map(axis))) fills[axis] = method.fill({ family, kind: spec.kind, axis, role }, options);
  return {
    factors: spread === 'diagonal' ? rest : [...shares, ...rest], fills, spread,
    noise: shares.length > 0 && !head ? finish.noise : null,
    rate: [...shares, ...rest].reduce((product, f: Factor) => (f.part ? product : product * f.by), 1),
  };
}

function dtypeOf(source: GrowthSource, dtypes: ReadonlyMap<string, WeightDType>, aliases: readonly string[], name: string): WeightDType {
  const known = dtypes.get(name) ?? aliases.map((prefix) => dtypes.get(prefix + name)).find((d) => d !== undefined);
  return known ?? refuse('checkpoint/missing-tensors', { path: String(source.config['_name_or_path'] ?? 'the checkpoint'), names: [name] });
}

/** config.json says the element type under one of two names, by the age of the file. */
function withDType(config: GrowthPlan['config'], dtype: GrowthRequest['dtype']): GrowthPlan['config'] {
  return dtype === 'keep' ? config : { ...config, ['dtype' in config ? 'dtype' : 'torch_dtype']: dtype };
}
