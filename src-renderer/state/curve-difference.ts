/** @file The difference of a curve from a baseline, at the x values that both cover. */
import type uPlot from 'uplot';
import { countBelow } from '../../src-main/base/sorted.ts';

/** Points with ascending x, all of them finite. */
export interface Curve {
  readonly x: Float64Array;
  readonly y: Float64Array;
}

/** The finite points of x and its first column. */
export function finitePoints([x, y = []]: uPlot.AlignedData): Curve {
  const kept = Array.from(x, (_, i) => i).filter((i) => Number.isFinite(x[i]) && Number.isFinite(y[i]));
  return { x: Float64Array.from(kept, (i) => x[i]!), y: Float64Array.from(kept, (i) => y[i]!) };
}

/** y at `x`, linear between two points; NaN outside of the curve. */
export function valueAt({ x: xs, y }: Curve, x: number): number {
  const after = countBelow(xs, x);
  if (after >= xs.length) return Number.NaN;
  if (xs[after] === x) return y[after]!;
  if (after === 0) return Number.NaN;
  const [from, to] = [xs[after - 1]!, xs[after]!];
  return y[after - 1]! + ((y[after]! - y[after - 1]!) * (x - from)) / (to - from);
}

/** x, and `curve` minus `baseline`, at the x values of `curve` that the baseline covers. */
export function differenceFrom(baseline: Curve, curve: Curve): uPlot.AlignedData {
  const differences = curve.y.map((y, i) => y - valueAt(baseline, curve.x[i]!));
  const kept = Array.from(differences, (_, i) => i).filter((i) => Number.isFinite(differences[i]));
  return [kept.map((i) => curve.x[i]!), kept.map((i) => differences[i]!)];
}
