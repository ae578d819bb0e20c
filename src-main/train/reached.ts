/** @file Where a loss curve reaches a value. */

/** The `x` at which `curve` first is at or below `loss`, interpolated between points; null if it never is. */
export function firstReach(
  curve: readonly { readonly x: number; readonly loss: number }[],
  loss: number,
): number | null {
  for (const [i, point] of curve.entries()) {
    if (point.loss > loss) continue;
    const before = curve[i - 1];
    if (!before) return point.x;
    return before.x + ((point.x - before.x) * (before.loss - loss)) / (before.loss - point.loss);
  }
  return null;
}
