/** @file When a curve of losses comes down to a value. */

/**
 * Where `curve` first is at or below `loss`, between its points, in the units of `x`; null when it never is.
 */
export function reached(
  curve: readonly { readonly x: number; readonly loss: number }[],
  loss: number,
): number | null {
  for (const [i, point] of curve.entries()) {
    if (point.loss > loss) continue;
    const before = curve[i - 1];
    return before
      ? before.x + ((point.x - before.x) * (before.loss - loss)) / (before.loss - point.loss)
      : point.x;
  }
  return null;
}
