/** @file What the results of the study say: losses at equal tokens and at equal FLOPs, and the tokens to a loss. */
import { mean, pairedDifference, type Difference } from '../../src-main/bakeoff/paired.ts';
import type { Result } from './lab.ts';

/** All results of one start at its best learning rate. */
export interface StartResults {
  readonly name: string;
  readonly lr: number;
  /** All that were tried at the shortest length, smallest first. */
  readonly rates: readonly number[];
  readonly parameters: number;
  /** Lengths that were trained, shortest first. */
  readonly lengths: readonly number[];
  /** By length, the results of all seeds. */
  readonly byLength: ReadonlyMap<number, readonly Result[]>;
}

/**
 * The results of a start. At each length they are those of the learning rate with the lowest loss on the first seed;
 * `lr` is that of the shortest length.
 */
export function collectStart(results: readonly Result[], name: string): StartResults | undefined {
  const own = results.filter((result) => result.start === name);
  if (own.length === 0) return undefined;
  const firstSeed = Math.min(...own.map(({ seed }) => seed));
  const lengths = [...new Set(own.map(({ tokens }) => tokens))].sort((a, b) => a - b);
  const byLength = new Map(lengths.map((tokens) => [tokens, bestOf(own, tokens, firstSeed)] as const));
  const { lr, parameters } = byLength.get(lengths[0]!)![0]!;
  const tried = own.filter((one) => one.tokens === lengths[0] && one.seed === firstSeed);
  const rates = tried.map((one) => one.lr).sort((a, b) => a - b);
  return { name, lr, rates, parameters, lengths, byLength };
}

function bestOf(own: readonly Result[], tokens: number, firstSeed: number): readonly Result[] {
  const ofLength = own.filter((result) => result.tokens === tokens);
  const tried = ofLength.filter(({ seed }) => seed === firstSeed);
  const { lr } = (tried.length > 0 ? tried : ofLength).reduce((a, b) => (b.loss < a.loss ? b : a));
  return ofLength.filter((result) => result.lr === lr).sort((a, b) => a.seed - b.seed);
}

export const shortestOf = ({ byLength, lengths }: StartResults): readonly Result[] =>
  byLength.get(lengths[0]!)!;
export const meanLossOf = (results: readonly Result[]): number => mean(results.map(({ loss }) => loss));

/** Losses of `a` minus those of `b` on the same windows, over the seeds that both have. */
export function compare(a: readonly Result[], b: readonly Result[]): Difference | undefined {
  const seeds = a.map(({ seed }) => seed).filter((seed) => b.some((other) => other.seed === seed));
  if (seeds.length === 0) return undefined;
  const windowsOf = (all: readonly Result[]) =>
    seeds.map((seed) => all.find((result) => result.seed === seed)!.windows);
  return pairedDifference(windowsOf(a), windowsOf(b), 0.05);
}

export interface Point {
  readonly x: number;
  readonly loss: number;
}

/** The end of each length of one seed: every point is a run whose learning rate has decayed. */
export const endsOf = ({ byLength }: StartResults, seed: number, x: 'tokens' | 'flops'): readonly Point[] =>
  [...byLength.values()].flatMap((results) =>
    results.filter((result) => result.seed === seed).map((result) => ({ x: result[x], loss: result.loss })),
  );

/** The loss at `x`, interpolated in log x; undefined outside of the points. */
export function lossAt(points: readonly Point[], x: number): number | undefined {
  const next = points.findIndex((point) => point.x >= x);
  if (next < 0) return undefined;
  const after = points[next]!;
  if (next === 0) return after.x === x ? after.loss : undefined;
  const before = points[next - 1]!;
  const share = Math.log(x / before.x) / Math.log(after.x / before.x);
  return before.loss + share * (after.loss - before.loss);
}

/** Where a start reaches a loss: `x`, interpolated in log x, or a bound where the points do not reach so far. */
export type Reach =
  | { readonly kind: 'at'; readonly x: number }
  | { readonly kind: 'below'; readonly x: number }
  | { readonly kind: 'above'; readonly x: number };

export function reach(points: readonly Point[], loss: number): Reach {
  const next = points.findIndex((point) => point.loss <= loss);
  if (next < 0) return { kind: 'above', x: points.at(-1)!.x };
  const after = points[next]!;
  const before = points[next - 1];
  if (!before) return { kind: 'below', x: after.x };
  const share = (before.loss - loss) / (before.loss - after.loss);
  return { kind: 'at', x: before.x * (after.x / before.x) ** share };
}
