/**
 * @file The factors that keep a model's function when its axes are copied or padded, each with its reason
 * (methods.md 1.1 to 1.6).
 */
import { density, type AxisMap } from '../../tensor/axis-map.ts';
import { hasAxis, type Axis, type Dims } from '../../tensor/layout.ts';
import type { ModelFamily, Settings, TensorSpec } from '../../model/family.ts';
import type { WeightRules } from '../method.ts';
import { findNormAfter, computeOldShare } from './branch-norms.ts';
import type { Factor } from '../recipe.ts';

/** What the factors of a weight depend on. `map` answers for every axis, also those that stay. */
export interface GrowthContext {
  readonly family: ModelFamily;
  readonly tied: boolean;
  readonly from: Dims;
  readonly to: Dims;
  /** Settings before and after: the element type may change too. */
  readonly settings: readonly [Settings, Settings];
  map(axis: Axis): AxisMap;
  /** See `Finish`. */
  readonly keeps: WeightRules['preserveBy'];
}

/** Whether the weight writes into the residual stream. */
export const writesStream = (family: ModelFamily, spec: TensorSpec): boolean =>
  (spec.kind === 'linear' || spec.kind === 'lookup' || spec.kind === 'bias') &&
  hasAxis(spec.layout, family.stream.axis, 'out');

/**
 * A linear sums over its inputs: equal copies are divided among themselves. Only input axes divide
 * (methods.md 1.1).
 */
export function computeDivisionFactors(change: GrowthContext, spec: TensorSpec): readonly Factor[] {
  if (spec.kind !== 'linear') return [];
  return spec.layout.axes
    .filter(({ axis, role }) => role === 'in' && change.map(axis).copies > 1)
    .map(({ axis }) => divided(axis, change.map(axis)));
}

function divided(axis: Axis, map: AxisMap): Factor {
  if (!map.counts) return { why: `sums ${map.copies} equal copies of ${axis}`, by: 1 / map.copies };
  return {
    why: `sums equal copies of ${axis}; each is divided by how many there are`,
    by: map.from / map.to,
    shared: axis,
  };
}

/**
 * All other factors. Where a padded stream is stretched by s, no norm's eps has to change (variant B,
 * methods.md 1.6); where `keeps` says `gains`, it is not stretched and eps shrinks (variant A).
 */
export function computeCorrectionFactors(
  change: GrowthContext,
  key: string,
  spec: TensorSpec,
): readonly Factor[] {
  if (change.keeps === 'none') return [];
  const { family, from, to } = change;
  const stream = change.map(family.stream.axis);
  const { norm } = family.stream;
  const thinned = 1 / Math.sqrt(density(stream));
  const stretch = change.keeps === 'stream' ? thinned : 1;
  const embed =
    (family.embedScale?.(from, change.settings[0]) ?? 1) / (family.embedScale?.(to, change.settings[1]) ?? 1);
  const kept = norm === 'rms' ? 'mean square' : 'variance';
  const factors: Factor[] = [];
  const after = findNormAfter(family, key);
  const onStream = hasAxis(spec.layout, family.stream.axis);
  if (writesStream(family, spec) && !(key === family.head.tiedTo && embed !== 1))
    factors.push({
      why: `stretches the ${family.stream.axis} stream so that its ${kept} stays the same over ${stream.to} entries`,
      by: stretch,
    });
  if (spec.kind === 'gain' && spec.normalizes === undefined && onStream)
    factors.push({
      why:
        change.keeps === 'stream'
          ? 'undoes the stretching of the stream it reads'
          : `the ${kept} of the stream it reads is shared by ${stream.to} entries`,
      by: 1 / thinned,
    });
  if (spec.kind === 'gain' && spec.normalizes !== undefined && (!onStream || change.keeps === 'gains'))
    factors.push({
      why: `the ${kept} of what it reads is shared by more entries`,
      by: Math.sqrt(computeOldShare(spec, change.map)),
    });
  if (after && !hasAxis(after.layout, family.stream.axis))
    factors.push({
      why: `keeps the ${kept} that the norm after it sees`,
      by: 1 / Math.sqrt(computeOldShare(after, change.map)),
    });
  if (spec.unscaledInput)
    factors.push({
      why: 'undoes the stretching of the stream: no gain stands before it',
      by: spec.unscaledInput === 'norm' ? 1 / thinned : 1 / stretch,
    });
  if (key === family.head.tiedTo && embed !== 1)
    factors.push({
      why: 'the family multiplies embeddings by a number that grows with the size',
      by: stretch * embed,
    });
  if (
    change.tied &&
    (spec.kind === 'gain' || spec.kind === 'shift') &&
    key.startsWith(`${family.head.norm}.`)
  )
    factors.push({ why: tiedReason(stream, stretch * embed), by: 1 / (stream.copies * stretch * embed) });
  return [...factors.filter((f) => Math.abs(f.by - 1) > 1e-12), ...scoreFactors(change, key)];
}

function tiedReason(stream: AxisMap, scale: number): string {
  const copies = stream.copies > 1 ? `sums ${stream.copies} equal copies` : '';
  const scaled = Math.abs(scale - 1) > 1e-12 ? 'has scaled weights' : '';
  return `the head is the embedding and ${[copies, scaled].filter(Boolean).join(' and ')}; this norm before it pays for that`;
}

/**
 * Scores sum `copies` equal terms and are scaled by the head's width: queries and keys share the difference
 * (methods.md 1.3).
 */
function scoreFactors({ family, from, to, map }: GrowthContext, key: string): readonly Factor[] {
  const { over, between, scale } = family.scores;
  const by = ((map(over).copies * scale(to)) / scale(from)) ** -0.5;
  if (Math.abs(by - 1) < 1e-12) return [];
  return between.flatMap((name): Factor[] => {
    const [weight, part] = name.split('/');
    if (!key.includes(`.${weight!}.`)) return [];
    const why = `scores sum over ${over}, which grew; queries and keys share the difference`;
    if (part === undefined) return [{ why, by }];
    const [axis, entries] = Object.entries(family.parts).find(([, names]) => names.includes(part)) as [
      Axis,
      readonly string[],
    ];
    return [{ why: `${why} (${part})`, by, part: { axis, entry: entries.indexOf(part) } }];
  });
}
