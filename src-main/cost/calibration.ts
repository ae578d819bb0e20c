/** @file What earlier runs teach the next estimate: measured over estimated, per device. */
import type { Precision } from '../train/precision.ts';

/**
 * Where a time comes from: rates that were measured, or the device's peak. What runs took over one says
 * nothing of the other.
 */
export type Basis = 'measured' | 'peak';

/**
 * One run that ended: what was measured over what was estimated before it began; `told` against the corrected
 * estimate, the others against the plain one.
 */
export interface Ratio {
  readonly run: string;
  readonly at: string;
  readonly precision: Precision;
  /** What the plain time came from; unknown in records of before it was kept. */ readonly basis?: Basis;
  readonly time: number;
  readonly memory: number | null;
  readonly told: number;
}

/** Those of runs that computed alike. */
export const alike = (past: readonly Ratio[], precision: Precision): readonly Ratio[] =>
  past.filter((p) => p.precision === precision);

/** How many of the newest runs count. */
export const remembered = 3;

/**
 * The factor for the next estimate (the median of the newest), and how far they lie from it: never less than
 * a twentieth, for no two runs are alike.
 */
export function correctionOf(newest: readonly number[]): {
  readonly factor: number;
  readonly spread: number;
} {
  const some = newest.slice(0, remembered).sort((a, b) => a - b);
  if (some.length === 0) return { factor: 1, spread: 0 };
  const factor =
    some.length % 2 === 1
      ? some[(some.length - 1) / 2]!
      : Math.sqrt(some[some.length / 2 - 1]! * some[some.length / 2]!);
  return {
    factor,
    spread: Math.max(
      some.length === 1 ? 0.15 : 0.05,
      ...some.map((r) => Math.max(r / factor, factor / r) - 1),
    ),
  };
}

/** `last 3 runs: within 12 %`: how far estimates lay from what came, or undefined before the first run. */
export function recordOf(past: readonly Ratio[]): string | undefined {
  const some = past.slice(0, remembered);
  if (some.length === 0) return undefined;
  const worst = Math.max(...some.map(({ told }) => Math.max(told, 1 / told) - 1));
  return `last ${some.length === 1 ? 'run' : `${some.length} runs`}: within ${worst < 1 ? `${Math.ceil(100 * worst - 1e-6)} %` : `a factor of ${(worst + 1).toPrecision(2)}`}`;
}

/** How what came lies to what was told: `12 % more than estimated`, `3.1 times the estimate`. */
export function againstTold(came: number, told: number): string {
  const ratio = came / told;
  if (Math.abs(ratio - 1) < 0.005) return 'as estimated';
  if (ratio >= 2) return `${ratio.toPrecision(2)} times the estimate`;
  return `${Math.round(100 * Math.abs(ratio - 1))} % ${ratio > 1 ? 'more' : 'less'} than estimated`;
}
