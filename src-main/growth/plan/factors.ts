/**
 * @file The factors that preserve the function when axes are copied or padded, each with its reason
 * (docs/methods.md, Factors).
 */
import { computeCoverage, type AxisMap } from '../../tensor/axis-map.ts';
import { hasAxis, type Axis } from '../../tensor/layout.ts';
import type { ModelFamily, TensorSpec } from '../../model/family.ts';
import type { GrowthContext } from '../method.ts';
import type { Factor } from '../recipe.ts';
import { computeOldShare, findNormAfter } from './branch-norms.ts';

const isOne = (factor: number): boolean => Math.abs(factor - 1) <= 1e-12;

/** Whether the weight writes to the residual stream. */
export const writesStream = (family: ModelFamily, spec: TensorSpec): boolean =>
  (spec.kind === 'linear' || spec.kind === 'lookup' || spec.kind === 'bias') &&
  hasAxis(spec.layout, family.stream.axis, 'out');

/** Factors of a linear layer whose input is copied: the weights of equal inputs are divided by their number. */
export function computeDivisionFactors(context: GrowthContext, spec: TensorSpec): readonly Factor[] {
  if (spec.kind !== 'linear') return [];
  return spec.layout.axes
    .filter(({ axis, role }) => role === 'in' && context.map(axis).copies > 1)
    .map(({ axis }) => divideCopies(axis, context.map(axis)));
}

function divideCopies(axis: Axis, map: AxisMap): Factor {
  if (!map.counts) return { why: `sums ${map.copies} equal copies of ${axis}`, by: 1 / map.copies };
  return {
    why: `sums equal copies of ${axis}: each is divided by its number of copies`,
    by: map.from / map.to,
    shared: axis,
  };
}

/**
 * All other factors. With `preserveBy: 'stream'` a padded stream is scaled up so that no norm needs another
 * eps (variant B of docs/methods.md, Norms); with `gains` it is not, and eps shrinks (variant A).
 */
export function computeCorrectionFactors(
  context: GrowthContext,
  key: string,
  spec: TensorSpec,
): readonly Factor[] {
  if (context.preserveBy === 'none') return [];
  const scales = computeStreamScales(context);
  const factors = [
    ...streamFactors(context, scales, key, spec),
    ...normFactors(context, scales, spec),
    ...normInputFactors(context, key),
    ...unnormedInputFactors(scales, spec),
    ...tiedFactors(context, scales, key, spec),
  ];
  return [...factors.filter((f) => !isOne(f.by)), ...scoreFactors(context, key)];
}

/** How a growth scales the residual stream and the embeddings. */
interface StreamScales {
  /** The factor that would keep the mean square of the padded stream. */
  readonly compensation: number;
  /** The factor by which the stream is scaled. */
  readonly stream: number;
  /** The source's embedding scale divided by that of the grown model. */
  readonly embedding: number;
}

function computeStreamScales({ family, from, to, settings, preserveBy, map }: GrowthContext): StreamScales {
  const compensation = 1 / Math.sqrt(computeCoverage(map(family.stream.axis)));
  const before = family.embedScale?.(from, settings.before) ?? 1;
  const after = family.embedScale?.(to, settings.after) ?? 1;
  return {
    compensation,
    stream: preserveBy === 'stream' ? compensation : 1,
    embedding: before / after,
  };
}

/** The statistic that the stream's norms divide by. */
const statisticOf = ({ stream }: ModelFamily): string => (stream.norm === 'rms' ? 'mean square' : 'variance');

/** Factors of the weights that write to the stream, apart from a tied embedding with a scale of its own. */
function streamFactors(
  { family, map }: GrowthContext,
  { stream, embedding }: StreamScales,
  key: string,
  spec: TensorSpec,
): readonly Factor[] {
  const scalesEmbedding = key === family.head.tiedTo && embedding !== 1;
  if (!writesStream(family, spec) || scalesEmbedding) return [];
  const { axis } = family.stream;
  return [
    {
      why: `scales the ${axis} stream to keep its ${statisticOf(family)} over ${map(axis).to} entries`,
      by: stream,
    },
  ];
}

/** Factors of a norm's gain. */
function normFactors(
  { family, preserveBy, map }: GrowthContext,
  { compensation }: StreamScales,
  spec: TensorSpec,
): readonly Factor[] {
  if (spec.kind !== 'gain') return [];
  const { axis } = family.stream;
  const statistic = statisticOf(family);
  const onStream = hasAxis(spec.layout, axis);
  if (spec.normalizes === undefined) {
    if (!onStream) return [];
    const why =
      preserveBy === 'stream'
        ? 'undoes the scaling of the stream that it normalizes'
        : `compensates for the smaller ${statistic} of the stream over ${map(axis).to} entries`;
    return [{ why, by: 1 / compensation }];
  }
  if (onStream && preserveBy !== 'gains') return [];
  return [
    {
      why: `compensates for the smaller ${statistic} of its input, which has new entries`,
      by: Math.sqrt(computeOldShare(spec, map)),
    },
  ];
}

/** Factors of a linear layer, or its bias, whose output goes through a norm before it joins the stream. */
function normInputFactors({ family, map }: GrowthContext, key: string): readonly Factor[] {
  const norm = findNormAfter(family, key);
  if (!norm || hasAxis(norm.layout, family.stream.axis)) return [];
  return [
    {
      why: `keeps the ${statisticOf(family)} that the norm after it sees`,
      by: 1 / Math.sqrt(computeOldShare(norm, map)),
    },
  ];
}

/** Factors of a linear layer that reads the stream without a gain before it. */
function unnormedInputFactors({ compensation, stream }: StreamScales, spec: TensorSpec): readonly Factor[] {
  if (!spec.unscaledInput) return [];
  return [
    {
      why: 'undoes the scaling of the stream, because no gain comes before it',
      by: spec.unscaledInput === 'norm' ? 1 / compensation : 1 / stream,
    },
  ];
}

/** Factors of the embedding that a head is tied to, and of the norm before the tied head. */
function tiedFactors(
  { family, tied, map }: GrowthContext,
  { stream, embedding }: StreamScales,
  key: string,
  spec: TensorSpec,
): readonly Factor[] {
  const factors: Factor[] = [];
  if (key === family.head.tiedTo && embedding !== 1)
    factors.push({
      why: 'compensates for the embedding scale of the family, which changes with the size',
      by: stream * embedding,
    });
  const isNorm = spec.kind === 'gain' || spec.kind === 'shift';
  if (tied && isNorm && key.startsWith(`${family.head.norm}.`)) {
    const { copies } = map(family.stream.axis);
    const why = explainTiedHead(copies, stream * embedding);
    factors.push({ why, by: 1 / (copies * stream * embedding) });
  }
  return factors;
}

function explainTiedHead(copies: number, scale: number): string {
  const causes = [
    ...(copies > 1 ? [`sums ${copies} equal copies`] : []),
    ...(isOne(scale) ? [] : ['has scaled weights']),
  ];
  return `compensates for the head, which is tied to the embedding and ${causes.join(' and ')}`;
}

/**
 * Factors of queries and keys. Scores sum equal copies and are scaled by the head size; queries and keys each
 * take the square root of the correction (docs/methods.md, Attention heads).
 */
function scoreFactors({ family, from, to, map }: GrowthContext, key: string): readonly Factor[] {
  const { over, between, scale } = family.scores;
  const by = ((map(over).copies * scale(to)) / scale(from)) ** -0.5;
  if (Math.abs(by - 1) < 1e-12) return [];
  return between.flatMap((name): Factor[] => {
    const [weight, part] = name.split('/');
    if (!key.includes(`.${weight!}.`)) return [];
    const why = `scores sum over ${over}, which grew: queries and keys share the correction`;
    if (part === undefined) return [{ why, by }];
    const [axis, entries] = Object.entries(family.parts).find(([, names]) => names.includes(part)) as [
      Axis,
      readonly string[],
    ];
    return [{ why: `${why} (${part})`, by, part: { axis, entry: entries.indexOf(part) } }];
  });
}
