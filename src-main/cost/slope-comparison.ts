/**
 * @file Whether the loss falls after a growth as in a model of that size that was trained from the start: both slopes,
 * at the same loss (Shen et al. 2022, Staged Training for Transformer Language Models).
 */
import { fewestSteps, fitLine, scaleSlope, skippedShare, type Slope } from './slope.ts';

/** The losses of a run, or of one of its stages. */
export interface LossCurve {
  /** Counted from where the curve begins. */
  readonly steps: readonly number[];
  readonly losses: readonly number[];
  /** First steps, in which the learning rate rises. They are not fitted. */
  readonly warmup: number;
  readonly tokensPerStep: number;
}

/** A stage after a growth. */
export interface GrownCurve extends LossCurve {
  /** Tokens of the run before the growth. */
  readonly tokensBefore: number;
}

/** A slope in nats per million tokens. */
export interface TokenSlope extends Slope {
  /** Tokens from the beginning of the curve to where the slope is taken. */
  readonly tokens: number;
}

export const slopeVerdicts = ['faster', 'slower', 'not distinguishable'] as const;
/** How the loss of the grown model falls, compared with the other. */
export type SlopeVerdict = (typeof slopeVerdicts)[number];

export interface SlopesAtLoss {
  readonly type: 'compared';
  /** The loss at which both slopes are taken, in nats per token. */
  readonly loss: number;
  readonly grown: TokenSlope;
  readonly other: TokenSlope;
  readonly verdict: SlopeVerdict;
}

/** Why two curves cannot be compared. */
export type SlopeRefusal =
  /** The grown model has too few steps. */
  | { readonly type: 'grown too short'; readonly steps: number; readonly needed: number }
  /** The other curve has the loss in its first steps. */
  | { readonly type: 'reached too early'; readonly loss: number; readonly steps: number }
  | { readonly type: 'never reached'; readonly loss: number; readonly lowest: number };

/** The slope after a growth is that over so many of the tokens before it, if they are enough steps. */
const shareAfterGrowth = 1 / 2;
/** Steps of a curve after a growth that are needed at least, besides its warmup. */
const fewestAfterGrowth = Math.ceil(fewestSteps / (1 - skippedShare));

/** A line is fitted to this share of the other run at most. */
const longestShare = 1 / 4;

/**
 * Compares the slope after a growth with that of another run where its smoothed loss is the same. Both are slopes of
 * lines over equal numbers of tokens, so that no shape of the curve after a growth is assumed; the loss is the mean
 * over them.
 */
export function compareSlopes(grown: GrownCurve, other: LossCurve): SlopesAtLoss | SlopeRefusal {
  const needed = grown.warmup + fewestAfterGrowth;
  const last = grown.steps.at(-1) ?? 0;
  const planned = Math.round((shareAfterGrowth * grown.tokensBefore) / grown.tokensPerStep);
  const end = Math.min(last, Math.max(needed, planned));
  const from = Math.max(grown.warmup, Math.floor(skippedShare * end));
  const ratio = grown.tokensPerStep / other.tokensPerStep;
  const longest = Math.floor(longestShare * Math.max(0, (other.steps.at(-1) ?? 0) - other.warmup));
  const width = Math.min(Math.round((end - from) * ratio), Math.max(fewestSteps, longest));
  const own = fitWindow(grown, from, Math.min(end, from + Math.round(width / ratio)));
  if (!own) return { type: 'grown too short', steps: last, needed };
  const { loss } = own;
  const smoothed = smoothLosses(other, width);
  const lowest = smoothed.reduce((low, { mean }) => Math.min(low, mean), Infinity);
  if (lowest > loss) return { type: 'never reached', loss, lowest };
  const start = findReach(smoothed, loss);
  const theirs = start === undefined ? undefined : fitWindow(other, start, start + width);
  if (!theirs) return { type: 'reached too early', loss, steps: width };
  return {
    type: 'compared',
    loss,
    grown: own.slope,
    other: theirs.slope,
    verdict: judge(own.slope, theirs.slope),
  };
}

/** Two slopes differ if their 90 % bands do not overlap. */
function judge(grown: Slope, other: Slope): SlopeVerdict {
  if (grown.low > other.high) return 'faster';
  return grown.high < other.low ? 'slower' : 'not distinguishable';
}

/** The line through the losses of the steps after `from` up to `end`; undefined with too few steps. */
function fitWindow(
  { steps, losses, tokensPerStep }: LossCurve,
  from: number,
  end: number,
): { readonly slope: TokenSlope; readonly loss: number } | undefined {
  const points = steps
    .map((t, i) => ({ t, loss: losses[i]!, weight: 1 }))
    .filter(({ t, loss }) => t > from && t <= end && Number.isFinite(loss));
  if (points.length < fewestSteps) return undefined;
  const { slope, t, loss } = fitLine(points);
  return { slope: { ...scaleSlope(slope, 1e6 / tokensPerStep), tokens: t * tokensPerStep }, loss };
}

/** The mean of the losses of the steps after `start`, as many as the window has. */
interface WindowMean {
  readonly start: number;
  readonly mean: number;
}

/** The moving average over windows of `width` steps after the warmup. */
function smoothLosses({ steps, losses, warmup }: LossCurve, width: number): readonly WindowMean[] {
  const first = steps.findIndex((step) => step > warmup);
  if (first < 0) return [];
  const sums = [0];
  for (const loss of losses.slice(first)) sums.push(sums.at(-1)! + loss);
  return sums.slice(width).map((sum, i) => ({
    start: steps[first + i]! - 1,
    mean: (sum - sums[i]!) / width,
  }));
}

/**
 * Where a smoothed curve passes `loss`: in the middle between where it is first at or below it, and where it is last
 * above it, because noise makes it pass more than once. Undefined if it is never above it.
 */
function findReach(smoothed: readonly WindowMean[], loss: number): number | undefined {
  const first = smoothed.findIndex(({ mean }) => mean <= loss);
  if (first <= 0) return undefined;
  const last = smoothed.findLastIndex(({ mean }) => mean > loss);
  return smoothed[Math.round((first + last) / 2)]!.start;
}
