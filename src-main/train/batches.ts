/** @file Which windows of the token file make a batch: a function of the seed and the step, so that resuming is arithmetic and no shuffling state exists. */
import { keyOf, permutedAt } from '../base/random.ts';

/** The token file's two parts: training tokens first, held-out tokens at the end. */
export interface TokenSplit { readonly train: number; readonly heldOut: number }

/** The last share of the tokens is held out; at least one window of `sequence` + 1 when anything is held out at all. */
export function splitTokens(tokens: number, share: number, sequence: number): TokenSplit {
  if (share <= 0) return { train: tokens, heldOut: 0 };
  const heldOut = Math.min(Math.max(Math.floor(tokens * share), sequence + 1), Math.floor(tokens / 2));
  return { train: tokens - heldOut, heldOut };
}

/** Windows of `sequence` + 1 tokens, each overlapping the next by one, that `tokens` hold. */
export const windowsIn = (tokens: number, sequence: number): number => Math.max(0, Math.floor((tokens - 1) / sequence));

/**
 * First tokens of the windows of the `n`-th device batch (from 0). Every epoch visits each window once, in an order of its own.
 * `train` must hold one window or more.
 */
export function windowStarts(n: number, { batch, sequence, seed, train }: { readonly batch: number; readonly sequence: number; readonly seed: number; readonly train: number }): readonly number[] {
  const windows = windowsIn(train, sequence);
  return Array.from({ length: batch }, (_, j) => {
    const k = n * batch + j, epoch = Math.floor(k / windows);
    return permutedAt(keyOf(seed, 'order', epoch), k % windows, windows) * sequence;
  });
}
