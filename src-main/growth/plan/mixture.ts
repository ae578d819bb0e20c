/**
 * @file Plans the upcycling of a dense model to a mixture of experts (docs/methods.md, upcycle). The family,
 * the config and the names of weights change.
 */
import { refuse } from '../../base/errors.ts';
import type { OptionValues } from '../../base/option.ts';
import { configWith, settingsOf, withDerivedDims } from '../../model/config.ts';
import { families, familyById, findMixtureFamily } from '../../model/families/index.ts';
import type { ModelFamily, Settings } from '../../model/family.ts';
import { countActiveParameters, countParameters } from '../../model/parameters.ts';
import type { AxisMap } from '../../tensor/axis-map.ts';
import type { Axis, Dims } from '../../tensor/layout.ts';
import type { GrowthMethod, MixtureSettings } from '../method.ts';
import type { AxisMaps, GrowthPlan, GrowthRequest, GrowthSource } from '../recipe.ts';
import { withDType } from './dtypes.ts';
import { checkMixture } from './mixture-limits.ts';
import { findDenseKey, planMixtureTensors } from './mixture-tensors.ts';
import { collectNotes } from './notes.ts';

/**
 * The plan of a method that makes a mixture. Refuses families without a mixture, requested sizes, and
 * impossible numbers of experts.
 */
export function planMixture(
  source: GrowthSource,
  request: GrowthRequest,
  method: GrowthMethod,
  options: OptionValues,
): GrowthPlan {
  const dense = familyById(source.family);
  const family = findMixtureFamily(dense.id);
  if (!family?.mixture?.upcycling) return refuseFamily(dense);
  const mixture = method.mixture!(options);
  const requested = Object.keys(request.to).find((axis) => request.to[axis] !== source.dims[axis]);
  if (requested !== undefined)
    refuse('growth/not-by-this-method', { axis: requested, method: method.id, methods: [] });
  checkMixture(method.id, mixture, family, source.dims['ffn']!);

  const from: Dims = { ...source.dims, ...family.mixture.upcycling.dims?.(source.dims), experts: 1 };
  const ffn = source.dims['ffn']! / mixture.shards;
  const to = withDerivedDims(family, { ...from, experts: mixture.experts, ffn });
  const config = growMixtureConfig(source, request, family, mixture, to);
  const settings = settingsOf(family, config);
  const plan: GrowthPlan = {
    version: 3,
    family: family.id,
    request: { ...request, options },
    from,
    to,
    config,
    maps: mapRouterAxes(dense, family, from, to),
    layers: Array.from({ length: from['layers']! }, (_, i) => ({ source: i, identity: false })),
    tensors: planMixtureTensors(source, request, mixture, { dense, family, from, to, settings }),
    promise: method.promise(dense, options, ['experts']),
    dead: findDeadRouter(mixture),
    notes: [],
    parameters: countParametersOfBoth(source, dense, family, to, settings),
  };
  return { ...plan, notes: [...(method.notes?.({ from, to }, options) ?? []), ...collectNotes(plan)] };
}

function refuseFamily(dense: ModelFamily): never {
  const known = [...families.values()].filter((family) => findMixtureFamily(family.id));
  return refuse('growth/no-mixture', { family: dense.title, known: known.map((family) => family.title) });
}

function growMixtureConfig(
  source: GrowthSource,
  request: GrowthRequest,
  family: ModelFamily,
  mixture: MixtureSettings,
  to: Dims,
): GrowthPlan['config'] {
  const config = {
    ...family.mixture!.upcycling!.config(source.config, source.settings, mixture.normTopkProb),
    model_type: family.modelTypes[0]!,
    architectures: [family.architecture],
    num_experts_per_tok: mixture.expertsPerToken,
    router_aux_loss_coef: mixture.auxLossCoef,
  };
  return withDType(configWith(family, config, to), request.dtype);
}

/** Maps of the output axes of routers, which take no values from the source. */
function mapRouterAxes(dense: ModelFamily, family: ModelFamily, from: Dims, to: Dims): AxisMaps {
  const routers = Object.entries(family.tensors).filter(
    ([key]) => findDenseKey(dense, family, key) === undefined,
  );
  const outputs = routers.flatMap(([, { layout }]) => layout.axes.filter(({ role }) => role === 'out'));
  const axes = new Set(outputs.map(({ axis }) => axis));
  const emptyMap = (axis: Axis): AxisMap => ({
    from: from[axis]!,
    to: to[axis]!,
    copies: 1,
    pieces: [],
    counts: Array<number>(from[axis]!).fill(0),
  });
  return Object.fromEntries([...axes].map((axis) => [axis, emptyMap(axis)]));
}

/** A router learns nothing from a constant weight of one, without the load-balancing loss. */
function findDeadRouter(mixture: MixtureSettings): GrowthPlan['dead'] {
  const learns = mixture.expertsPerToken > 1 || !mixture.normTopkProb || mixture.auxLossCoef !== 0;
  if (learns) return [];
  const why =
    'with one expert per token and normalized weights its weight is always one, so the router gets no gradient';
  return [{ axis: 'experts', why }];
}

function countParametersOfBoth(
  source: GrowthSource,
  dense: ModelFamily,
  family: ModelFamily,
  to: Dims,
  settings: Settings,
): GrowthPlan['parameters'] {
  return {
    before: countParameters(dense, source.dims, source.settings),
    after: countParameters(family, to, settings),
    active: {
      before: countActiveParameters(dense, source.dims, source.settings),
      after: countActiveParameters(family, to, settings),
    },
  };
}
