/**
 * @file A dense model as a mixture of experts: every expert is the dense MLP or a slice of it, and a router
 * is drawn (sparse upcycling, methods.md 7.8). Names, family and config change; weights that both families
 * have stay.
 */
import { refuse } from '../../base/errors.ts';
import type { OptionValues } from '../../base/option.ts';
import { configWith, settingsOf, withDerivedDims } from '../../model/config.ts';
import { families, familyById, findMixtureFamily } from '../../model/families/index.ts';
import type { ModelFamily, TensorSpec } from '../../model/family.ts';
import {
  countActiveParameters,
  weightName,
  countParameters,
  parametersOf,
  type Parameter,
} from '../../model/parameters.ts';
import { shapeOf, type Axis, type Dims } from '../../tensor/layout.ts';
import { writesStream } from './factors.ts';
import { checkMixture } from './mixture-limits.ts';
import type { GrowthMethod, MixtureSettings } from '../method.ts';
import { collectNotes } from './notes.ts';
import type { Factor, GrowthPlan, GrowthRequest, GrowthSource, TensorRecipe } from '../recipe.ts';
import { createDTypeLookup, withDType } from './dtypes.ts';

/**
 * The plan of a method that makes a mixture. Refuses families that have none, sizes named beside it, and
 * numbers that do not fit, with the nearest that do.
 */
export function planMixture(
  source: GrowthSource,
  request: GrowthRequest,
  method: GrowthMethod,
  options: OptionValues,
): GrowthPlan {
  const dense = familyById(source.family);
  const family = findMixtureFamily(dense.id);
  const mixing = method.mixture!(options);
  if (!family?.mixture)
    return refuse('growth/no-mixture', {
      family: dense.title,
      known: [...families.values()].filter((f) => findMixtureFamily(f.id)).map((f) => f.title),
    });
  const named = Object.keys(request.to).find((axis) => request.to[axis] !== source.dims[axis]);
  if (named !== undefined)
    refuse('growth/not-by-this-method', { axis: named, method: method.id, methods: [] });
  checkMixture(method.id, mixing, family, source.dims['ffn']!);
  const extra = family.mixture.dims?.(source.dims) ?? {};
  const from: Dims = { ...source.dims, ...extra, experts: 1 };
  const to = withDerivedDims(family, {
    ...from,
    experts: mixing.experts,
    ffn: source.dims['ffn']! / mixing.shards,
  });
  const said = {
    ...family.mixture.config(source.config, source.settings, mixing.normTopkProb),
    model_type: family.modelTypes[0]!,
    architectures: [family.architecture],
    num_experts_per_tok: mixing.expertsPerToken,
    router_aux_loss_coef: mixing.auxLossCoef,
  };
  const config = withDType(configWith(family, said, to), request.dtype);
  const settings = settingsOf(family, config);
  const layers = Array.from({ length: from['layers']! }, (_, i) => ({ source: i, identity: false }));
  const drawn = new Set(
    Object.entries(family.tensors)
      .filter(([key]) => originOf(dense, family, key) === undefined)
      .flatMap(([, { layout }]) => layout.axes.filter((a) => a.role === 'out').map((a) => a.axis)),
  );
  const maps = Object.fromEntries(
    [...drawn].map((axis) => [
      axis,
      { from: from[axis]!, to: to[axis]!, copies: 1, pieces: [], counts: Array<number>(from[axis]!).fill(0) },
    ]),
  );
  const parameters = {
    before: countParameters(dense, source.dims, source.settings),
    after: countParameters(family, to, settings),
    active: {
      before: countActiveParameters(dense, source.dims, source.settings),
      after: countActiveParameters(family, to, settings),
    },
  };
  const dead =
    mixing.expertsPerToken === 1 && mixing.normTopkProb && mixing.auxLossCoef === 0
      ? [
          {
            axis: 'experts' as Axis,
            why: 'where one expert is chosen and its weight is made one, nothing tells the router which would have been better',
          },
        ]
      : [];
  const plan: GrowthPlan = {
    version: 2,
    family: family.id,
    request: { ...request, options },
    from,
    to,
    config,
    maps,
    layers,
    tensors: recipesOf(source, request, dense, family, mixing, { from, to, settings }),
    promise: method.promise(dense, options, ['experts']),
    dead,
    notes: [],
    parameters,
  };
  return { ...plan, notes: [...(method.notes?.({ from, to }, options) ?? []), ...collectNotes(plan)] };
}

/** The line of the dense table that a line is made from; undefined for a router. */
const originOf = (dense: ModelFamily, { mixture }: ModelFamily, key: string): string | undefined =>
  mixture!.copiedFrom[key] ?? (dense.tensors[key] ? key : undefined);

/** What is the same for all weights of a line. */
interface Line {
  readonly origin: string;
  readonly recipe: Omit<TensorRecipe, 'name' | 'source' | 'dtype'>;
}
interface Ends {
  readonly from: Dims;
  readonly to: Dims;
  readonly settings: GrowthSource['settings'];
}

function recipesOf(
  source: GrowthSource,
  request: GrowthRequest,
  dense: ModelFamily,
  family: ModelFamily,
  mixing: MixtureSettings,
  { from, to, settings }: Ends,
): readonly TensorRecipe[] {
  const dtypeOf = createDTypeLookup(source, request, dense.prefixes);
  const beside = standIn(dense);
  const lines = new Map<string, Line>();
  const lineOf = ({ key, spec, shape, expert }: Parameter): Line => {
    const own = originOf(dense, family, key);
    const head = key === family.head.weight && source.settings['tied'] === true;
    return {
      origin: own === undefined ? beside : head ? dense.head.tiedTo : own,
      recipe: {
        kind: spec.kind,
        layout: spec.layout.text,
        from: shapeOf(spec.layout, from),
        to: shape,
        factors: [],
        fills: {},
        std: Number(source.settings['std']),
        spread: 'symmetric',
        noise: null,
        projection: null,
        perturbation: 0,
        zeroOutput: family.mixture!.zeroOutput?.includes(key) === true,
        offset: spec.offset,
        lrScale: 1,
        gradScale: 1,
        ...(own === undefined
          ? routerOf(spec, mixing)
          : expert === undefined
            ? {}
            : expertOf(family, spec, mixing)),
      },
    };
  };
  return parametersOf(family, to, settings).map((p) => {
    let line = lines.get(p.key);
    if (!line) lines.set(p.key, (line = lineOf(p)));
    const read = weightName(line.origin, p.layer);
    return {
      name: p.name,
      source: read,
      dtype: dtypeOf(read),
      ...line.recipe,
      ...(p.expert !== undefined && mixing.shards > 1
        ? { slice: { axis: 'ffn', at: p.expert % mixing.shards, of: mixing.shards } }
        : {}),
    };
  });
}

/**
 * A weight of the stream's width in every layer: a router takes none of its values, but every weight is made
 * from one.
 */
const standIn = (dense: ModelFamily): string =>
  Object.entries(dense.tensors).find(
    ([key, { kind, layout }]) =>
      key.includes('{layer}') && kind === 'gain' && layout.text === dense.stream.axis,
  )![0];

/**
 * A router's rows are drawn; those of the slices of one MLP are equal, so that they are chosen together
 * (virtual groups, He et al. 2024).
 */
const routerOf = (
  spec: TensorSpec,
  { shards, routerStd: deviation }: MixtureSettings,
): Partial<TensorRecipe> => {
  const { axis } = spec.layout.axes.find((a) => a.role === 'out')!;
  return {
    fills: { [axis]: 'draw' },
    std: deviation,
    ...(shards > 1 && axis === 'experts' ? { equalRows: shards } : {}),
  };
};

/**
 * An expert's weight: the dense MLP's, or a slice of it; its gradient is the share of tokens that it reads.
 */
function expertOf(
  family: ModelFamily,
  spec: TensorSpec,
  {
    experts,
    expertsPerToken: active,
    normTopkProb: sums,
    outputScale: outputs,
    inputScale: inputs,
  }: MixtureSettings,
): Partial<TensorRecipe> {
  const writes = writesStream(family, spec);
  const by = writes ? outputs : inputs;
  const other = (writes ? inputs : outputs) * inputs;
  const factors: readonly Factor[] =
    Math.abs(by - 1) < 1e-12
      ? []
      : [{ why: 'makes up for slices whose weights sum to one only together', by }];
  return { factors, lrScale: by, gradScale: (other * (sums ? 1 : active / experts)) / experts };
}
