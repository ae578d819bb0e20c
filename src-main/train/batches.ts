/**
 * @file Which windows of the token file make a batch: a function of the seed and the step, so that resuming
 * is arithmetic and no shuffling state exists.
 */
import { keyOf, permutedAt } from '../base/random.ts';

/** The token file's two parts: training tokens first, held-out tokens at the end. */
export interface TokenSplit {
  readonly train: number;
  readonly heldOut: number;
}

/**
 * The last share of the tokens is held out; at least one window of `sequence` + 1 when anything is held out
 * at all.
 */
export function splitTokens(tokens: number, share: number, sequence: number): TokenSplit {
  if (share <= 0) return { train: tokens, heldOut: 0 };
  const heldOut = Math.min(Math.max(Math.floor(tokens * share), sequence + 1), Math.floor(tokens / 2));
  return { train: tokens - heldOut, heldOut };
}

/** Windows of `sequence` + 1 tokens, each overlapping the next by one, that `tokens` hold. */
export const windowsIn = (tokens: number, sequence: number): number =>
  Math.max(0, Math.floor((tokens - 1) / sequence));

/**
 * A stretch of the token file that is drawn from with a weight of its own: training tokens from `start` on,
 * then those held out.
 */
export interface TextPart extends TokenSplit {
  readonly start: number;
  readonly weight: number;
}

/** Texts of these lengths, one after the other, each with its own held-out end. */
export function partsOf(
  texts: readonly { readonly tokens: number; readonly weight: number }[],
  share: number,
  sequence: number,
): readonly TextPart[] {
  let start = 0;
  return texts.map(({ tokens, weight }) => {
    const part = { start, weight, ...splitTokens(tokens, share, sequence) };
    start += tokens;
    return part;
  });
}

/** Tokens of all parts to train on. */
export const trainTokensIn = (parts: readonly TextPart[]): number =>
  parts.reduce((n, part) => n + part.train, 0);

/** At most this many held-out windows are read at an evaluation. */
export const heldOutWindows = 64;

/** First tokens of at most `most` held-out windows, spread evenly over all parts. */
export function heldOutStarts(parts: readonly TextPart[], sequence: number, most: number): readonly number[] {
  const counts = parts.map((part) => windowsIn(part.heldOut, sequence));
  const all = counts.reduce((n, count) => n + count, 0);
  const taken = Math.min(all, most);
  return Array.from({ length: taken }, (_, i) => {
    let k = Math.floor((i * all) / taken);
    let at = 0;
    while (k >= counts[at]!) k -= counts[at++]!;
    return parts[at]!.start + parts[at]!.train + k * sequence;
  });
}

/** Draws over which the parts' shares are kept to the nearest whole window. */
const round = 1024;

/** How many of `round` draws each part gets: its share, rounded so that they add up, and at least one. */
export function drawsOf(weights: readonly number[]): readonly number[] {
  const sum = weights.reduce((a, b) => a + b, 0);
  const exact = weights.map((w) => (w / sum) * round);
  const counts = exact.map((x) => Math.max(1, Math.floor(x)));
  const order = exact
    .map((x, i) => ({ i, rest: x - Math.floor(x) }))
    .sort((a, b) => b.rest - a.rest || a.i - b.i);
  for (let left = round - counts.reduce((a, b) => a + b, 0), j = 0; left > 0; left--, j++)
    counts[order[j % order.length]!.i]!++;
  for (let over = counts.reduce((a, b) => a + b, 0) - round; over > 0; over--)
    counts[counts.indexOf(Math.max(...counts))]!--;
  return counts;
}

/**
 * First tokens of the windows of the `n`-th device batch (from 0). One part visits each of its windows once
 * an epoch, in an order of its own; several
 * keep their weights within every 1,024 draws, and each visits its windows equally often after every such
 * round. Each part must hold one window or more.
 */
export function windowStarts(
  n: number,
  {
    batch,
    sequence,
    seed,
    parts,
  }: {
    readonly batch: number;
    readonly sequence: number;
    readonly seed: number;
    readonly parts: readonly TextPart[];
  },
): readonly number[] {
  const counts = parts.length > 1 ? drawsOf(parts.map((part) => part.weight)) : [round];
  return Array.from({ length: batch }, (_, j) => {
    const k = n * batch + j;
    const turn = Math.floor(k / round);
    let slot = k % round;
    let at = 0;
    if (parts.length > 1) {
      slot = permutedAt(keyOf(seed, 'parts', turn), slot, round);
      while (slot >= counts[at]!) slot -= counts[at++]!;
    }
    const { start, train } = parts[at]!;
    const windows = windowsIn(train, sequence);
    const drawn = turn * counts[at]! + slot;
    const epoch = Math.floor(drawn / windows);
    const key = parts.length > 1 ? keyOf(seed, 'order', epoch, at) : keyOf(seed, 'order', epoch);
    return start + permutedAt(key, drawn % windows, windows) * sequence;
  });
}
