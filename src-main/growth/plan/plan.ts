/** @file Plans a growth: from a source and a request to a recipe for every weight. Fast enough for a slider. */
import { refuse } from '../../base/errors.ts';
import { hasNew, keep, type AxisMap } from '../../tensor/axis-map.ts';
import type { Axis, Dims } from '../../tensor/layout.ts';
import { settingsOf } from '../../model/config.ts';
import { familyById } from '../../model/families/index.ts';
import type { ModelFamily, Settings } from '../../model/family.ts';
import { countActiveParameters, countParameters } from '../../model/parameters.ts';
import { keepsFrequenciesOfWiderHeads } from '../../model/rope-frequencies.ts';
import type { ConfiguredMethod, GrowthContext, UnreachableSize } from '../method.ts';
import { findRotaryWidening } from '../methods/expand.ts';
import { findMethod, resolveOptions } from '../methods/index.ts';
import type { AxisMaps, GrowthPlan, GrowthRequest, GrowthSource, LayerSource } from '../recipe.ts';
import { growConfig } from './grown-config.ts';
import { planMixture } from './mixture.ts';
import { collectNotes } from './notes.ts';
import { resolveTargetSizes } from './target-sizes.ts';
import { planTensors } from './tensors.ts';

export interface PlanOptions {
  /** Plans what the method does to a model that keeps its sizes, such as shrinking and perturbing its weights. */
  readonly inPlace?: boolean;
}

/** Plans one growth. Refuses sizes that cannot be reached, with the nearest that can. */
export function planGrowth(
  source: GrowthSource,
  request: GrowthRequest,
  { inPlace = false }: PlanOptions = {},
): GrowthPlan {
  const family = familyById(source.family);
  const method = findMethod(request.method);
  const options = resolveOptions(method, request.options);
  if (method.mixture) return planMixture(source, request, method, options);

  const configured: ConfiguredMethod = { method, options, family };
  const from = source.dims;
  const to = inPlace ? from : resolveTargetSizes(configured, from, request.to);
  const maps = planMaps(configured, from, to, request.seed);
  refuseChangedFrequencies(source, family, maps);
  const layers = planLayers(configured, from['layers']!, to['layers']!);
  const rules = method.weightRules(options);
  const config = growConfig(source, request, rules, { family, to, maps, layers });
  const settings = settingsOf(family, config);
  const context: GrowthContext = {
    family,
    tied: settings['tied'] === true,
    from,
    to,
    settings: { before: source.settings, after: settings },
    preserveBy: rules.preserveBy,
    map: (axis) => maps[axis] ?? keep(from[axis]!),
  };
  const plan: GrowthPlan = {
    version: 3,
    family: family.id,
    request: { ...request, options },
    from,
    to,
    config,
    maps,
    layers,
    tensors: planTensors(source, request, configured, context, layers),
    promise: method.promise(family, options, Object.keys(maps)),
    dead: findDeadAxes(configured, maps),
    notes: [],
    parameters: countBeforeAndAfter(context),
  };
  const notes = [
    ...(method.notes?.({ from, to }, options) ?? []),
    ...noteUntiedHead(source.settings, context),
    ...collectNotes(plan),
  ];
  return { ...plan, notes };
}

/** The map of every axis that changes. Refuses sizes that the method cannot reach. */
function planMaps(
  { method, options, family }: ConfiguredMethod,
  from: Dims,
  to: Dims,
  seed: number,
): AxisMaps {
  const maps: Partial<Record<Axis, AxisMap>> = {};
  for (const axis of Object.keys(to) as Axis[]) {
    if (to[axis] === from[axis] || (axis as string) === 'layers') continue;
    const map = method.mapAxis({ axis, from: from[axis]!, to: to[axis]!, family, seed }, options);
    maps[axis] = 'nearest' in map ? refuseSize(axis, from[axis]!, to[axis]!, map) : map;
  }
  return maps;
}

/** Refuses wider heads whose rotary frequencies would change: those of a scaling that depends on the width. */
function refuseChangedFrequencies({ settings }: GrowthSource, family: ModelFamily, maps: AxisMaps): void {
  const isAffected = maps.head_dim !== undefined && findRotaryWidening(family) === 'scatter';
  if (isAffected && !keepsFrequenciesOfWiderHeads(settings))
    refuse('growth/frozen', {
      axis: 'head_dim',
      why: `the rope type "${String(settings['ropeType'])}" depends on the width of a head`,
    });
}

/** The source of every layer. Refuses a depth that the method cannot reach. */
function planLayers({ method, options }: ConfiguredMethod, from: number, to: number): readonly LayerSource[] {
  const layers = to === from ? undefined : method.mapLayers?.(from, to, options);
  if (!layers) return Array.from({ length: from }, (_, i) => ({ source: i, identity: false }));
  return 'nearest' in layers ? refuseSize('layers', from, to, layers) : layers;
}

function refuseSize(axis: string, from: number, to: number, { nearest, why }: UnreachableSize): never {
  return why === undefined
    ? refuse('growth/not-a-multiple', { axis, from, to, nearest })
    : refuse('growth/constraint', { axis, to, why, nearest });
}

/** Axes whose new entries never receive a gradient. */
function findDeadAxes({ method, options, family }: ConfiguredMethod, maps: AxisMaps): GrowthPlan['dead'] {
  return (Object.keys(maps) as Axis[]).flatMap((axis) => {
    const why = method.deadReason?.(family, axis, options);
    return why === undefined || !hasNew(maps[axis]!) ? [] : [{ axis, why }];
  });
}

function countBeforeAndAfter({ family, from, to, settings }: GrowthContext): GrowthPlan['parameters'] {
  const total = {
    before: countParameters(family, from, settings.before),
    after: countParameters(family, to, settings.after),
  };
  if (!family.mixture) return total;
  const active = {
    before: countActiveParameters(family, from, settings.before),
    after: countActiveParameters(family, to, settings.after),
  };
  return { ...total, active };
}

function noteUntiedHead(before: Settings, { tied }: GrowthContext): readonly string[] {
  if (before['tied'] !== true || tied) return [];
  return [
    'The head gets weights of its own: no gain before it can compensate for the wider stream, so it cannot stay ' +
      'tied to the embedding.',
  ];
}
