/**
 * @file The recipe of every weight of an upcycled mixture: each expert is the dense MLP or a slice of it, a
 * router is randomly initialised, and all other weights stay (docs/methods.md, upcycle).
 */
import type { ModelFamily, Settings, TensorSpec } from '../../model/family.ts';
import { parametersOf, weightName, type Parameter } from '../../model/parameters.ts';
import { storedShapeOf, type Dims } from '../../tensor/layout.ts';
import type { MixtureSettings } from '../method.ts';
import type { Factor, GrowthRequest, GrowthSource, TensorRecipe } from '../recipe.ts';
import { createDTypeLookup } from './dtypes.ts';
import { writesStream } from './factors.ts';

/** The dense model and the mixture. */
interface Families {
  readonly dense: ModelFamily;
  readonly family: ModelFamily;
  readonly from: Dims;
  readonly to: Dims;
  /** Settings of the mixture. */
  readonly settings: Settings;
}

/** The parts of a recipe that are the same in all layers, and the key of the dense weight it is made from. */
interface SharedRecipe {
  readonly denseKey: string;
  readonly recipe: Omit<TensorRecipe, 'name' | 'source' | 'dtype'>;
}

export function planMixtureTensors(
  source: GrowthSource,
  request: GrowthRequest,
  mixture: MixtureSettings,
  families: Families,
): readonly TensorRecipe[] {
  const { dense, family, to, settings } = families;
  const { shards } = mixture;
  const dtypeOf = createDTypeLookup(source, request, dense.namePrefix);
  const shared = new Map<string, SharedRecipe>();
  return parametersOf(family, to, settings).map((parameter) => {
    const { key, name, layer, expert } = parameter;
    const entry = shared.get(key) ?? planSharedRecipe(source, mixture, families, parameter);
    shared.set(key, entry);
    const denseName = weightName(entry.denseKey, layer);
    const isSlice = expert !== undefined && shards > 1;
    return {
      name,
      source: denseName,
      dtype: dtypeOf(denseName),
      ...entry.recipe,
      ...(isSlice ? { slice: { axis: 'ffn', at: expert % shards, of: shards } } : {}),
    };
  });
}

/** The key of the dense weight that a weight of the mixture copies; undefined for a router. */
export const findDenseKey = (dense: ModelFamily, { mixture }: ModelFamily, key: string): string | undefined =>
  mixture!.upcycling!.copiedFrom[key] ?? (dense.tensors[key] ? key : undefined);

function planSharedRecipe(
  source: GrowthSource,
  mixture: MixtureSettings,
  { dense, family, from }: Families,
  { key, spec, shape, expert }: Parameter,
): SharedRecipe {
  const denseKey = findDenseKey(dense, family, key);
  const isTiedHead = key === family.head.weight && source.settings['tied'] === true;
  const isRouter = denseKey === undefined;
  const recipe: SharedRecipe['recipe'] = {
    kind: spec.kind,
    layout: spec.layout.text,
    from: storedShapeOf(spec.layout, from),
    to: shape,
    factors: [],
    fills: {},
    std: Number(source.settings['std']),
    spread: 'symmetric',
    noise: null,
    projection: null,
    perturbation: 0,
    zeroOutput: family.mixture!.upcycling!.zeroOutput?.includes(key) === true,
    offset: spec.offset,
    lrScale: 1,
    gradScale: 1,
  };
  if (isRouter) return { denseKey: findStandIn(dense), recipe: { ...recipe, ...planRouter(spec, mixture) } };
  return {
    denseKey: isTiedHead ? dense.head.tiedTo : denseKey,
    recipe: expert === undefined ? recipe : { ...recipe, ...planExpert(family, spec, mixture) },
  };
}

/** The key of a norm's gain in every layer, named as the source of a router, which takes no values from it. */
function findStandIn(dense: ModelFamily): string {
  const [key] = Object.entries(dense.tensors).find(
    ([name, { kind, layout }]) =>
      name.includes('{layer}') && kind === 'gain' && layout.text === dense.stream.axis,
  )!;
  return key;
}

/**
 * A router's rows are randomly initialised. The rows of the slices of one MLP are equal, so that they are
 * selected together (virtual groups, He et al. 2024).
 */
function planRouter(spec: TensorSpec, { shards, routerStd }: MixtureSettings): Partial<TensorRecipe> {
  const { axis } = spec.layout.axes.find(({ role }) => role === 'out')!;
  return {
    fills: { [axis]: 'draw' },
    std: routerStd,
    ...(shards > 1 && axis === 'experts' ? { equalRows: shards } : {}),
  };
}

/** An expert's weight. Its gradient comes from the share of tokens that are routed to it. */
function planExpert(family: ModelFamily, spec: TensorSpec, mixture: MixtureSettings): Partial<TensorRecipe> {
  const { experts, expertsPerToken, normTopkProb, outputScale, inputScale } = mixture;
  const isOutput = writesStream(family, spec);
  const by = isOutput ? outputScale : inputScale;
  const otherScale = (isOutput ? inputScale : outputScale) * inputScale;
  const weightShare = normTopkProb ? 1 : expertsPerToken / experts;
  const factors: readonly Factor[] =
    Math.abs(by - 1) < 1e-12
      ? []
      : [{ why: 'compensates for the routing weights of the slices, which only sum to one together', by }];
  return { factors, lrScale: by, gradScale: (otherScale * weightShare) / experts };
}
