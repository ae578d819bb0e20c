/** @file The config.json of the grown model. */
import { computeCoverage } from '../../tensor/axis-map.ts';
import type { Dims } from '../../tensor/layout.ts';
import { configWith } from '../../model/config.ts';
import type { ModelFamily } from '../../model/family.ts';
import { withRotatedWidth } from '../../model/rope-config.ts';
import type { WeightRules } from '../method.ts';
import type { AxisMaps, GrowthPlan, GrowthRequest, GrowthSource, LayerSource } from '../recipe.ts';
import { canCompensateHead } from './branch-norms.ts';
import { withDType } from './dtypes.ts';

type Config = GrowthPlan['config'];

interface Growth {
  readonly family: ModelFamily;
  readonly to: Dims;
  readonly maps: AxisMaps;
  readonly layers: readonly LayerSource[];
}

/** The source's config.json with the new sizes, and the settings that change with them. */
export function growConfig(
  source: GrowthSource,
  request: GrowthRequest,
  rules: WeightRules,
  growth: Growth,
): Config {
  const { family, to, layers } = growth;
  const isDeeper = to['layers'] !== source.dims['layers'];
  const sources = isDeeper ? layers.map((layer) => layer.source) : undefined;
  const sized = configWith(family, source.config, to, sources);
  const rotary = withRotaryFactor(sized, source, growth);
  const scaled = withScaledEps(rotary, source, rules, growth);
  const typed = withDType(scaled, request.dtype);
  return withUntiedHead(typed, source, rules, growth);
}

/** Wider heads of a family with partial rotary embeddings rotate as many entries as before. */
function withRotaryFactor(config: Config, { settings }: GrowthSource, { family, maps }: Growth): Config {
  const key = family.settings['partialRotaryFactor']?.keys[0];
  const map = maps.head_dim;
  if (key === undefined || !map) return config;
  return withRotatedWidth(config, key, Number(settings['partialRotaryFactor']), map.from, map.to);
}

/** With `preserveBy: 'gains'`, padding shrinks the mean square of the stream, and eps shrinks with it. */
function withScaledEps(
  config: Config,
  { settings }: GrowthSource,
  { preserveBy }: WeightRules,
  { family, maps }: Growth,
): Config {
  const key = family.settings['eps']?.keys[0];
  const map = maps[family.stream.axis];
  if (preserveBy !== 'gains' || key === undefined || !map || computeCoverage(map) >= 1) return config;
  return { ...config, [key]: Number(settings['eps']) * computeCoverage(map) };
}

/** Unties the head if its input grows and no gain before it can compensate. */
function withUntiedHead(
  config: Config,
  { settings }: GrowthSource,
  { preserveBy }: WeightRules,
  { family, maps }: Growth,
): Config {
  const { axes } = family.tensors[family.head.weight]!.layout;
  const inputGrows = axes.some(({ axis, role }) => role === 'in' && maps[axis]);
  const isTied = settings['tied'] === true;
  if (!isTied || !inputGrows || preserveBy === 'none' || canCompensateHead(family)) return config;
  return { ...config, [family.settings['tied']!.keys[0]!]: false };
}
