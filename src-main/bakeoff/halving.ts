/**
 * @file Successive halving (Jamieson and Talwalkar 2016, arXiv:1502.07943): probes are trained to a first length,
 * the better half of them to twice that length, and so on to the whole length. No step is computed twice, because
 * a probe that stays is continued.
 */

/** How many learning rates of a candidate stay after a rung: the better half. */
export const ratesAfter = (rates: number): number => Math.ceil(rates / 2);

/** Candidates are compared with each other at the end, so two stay. */
const fewestCandidates = 2;

/** How many grown candidates stay at least after a rung. */
export const candidatesAfter = (candidates: number): number =>
  Math.max(Math.min(candidates, fewestCandidates), Math.ceil(candidates / 2));

/** Halvings until `count` is at most `goal`. */
const halvings = (count: number, goal: number): number => Math.max(0, Math.ceil(Math.log2(count / goal)));

/**
 * Lengths of the rungs in steps, increasing; the last is the length of a probe. There are as many as it takes to
 * choose one of `rates` learning rates and two of `candidates`; fewer if the probe is too short for them.
 */
export function planRungs(steps: number, rates: number, candidates: number): readonly number[] {
  const count = 1 + Math.max(halvings(rates, 1), halvings(candidates, fewestCandidates));
  const lengths = Array.from({ length: count }, (_, i) => Math.ceil(steps / 2 ** (count - 1 - i)));
  return [...new Set(lengths)];
}
