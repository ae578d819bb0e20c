/**
 * @file Numbers over time as typed arrays: appended to, cut back when a run goes on from an earlier step,
 * smoothed, and thinned for drawing.
 */

/** A growing Float64Array. */
export class Column {
  #values = new Float64Array(256);
  length = 0;
  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = new Float64Array(this.length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.length++] = value;
  }
  at(index: number): number {
    return this.#values[index < 0 ? this.length + index : index]!;
  }
  cut(length: number): void {
    this.length = Math.min(this.length, length);
  }
  /** A view of what is there; not a copy. */
  get values(): Float64Array {
    return this.#values.subarray(0, this.length);
  }
}

/**
 * Exponential mean with its start corrected (Adam's way), so the first value is the first value. `weight` is
 * in [0, 1).
 */
export function smoothed(values: ArrayLike<number>, weight: number): Float64Array {
  const out = new Float64Array(values.length);
  let mean = 0;
  let mass = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isFinite(value)) {
      mean = weight * mean + (1 - weight) * value;
      mass = weight * mass + (1 - weight);
    }
    out[i] = mass > 0 ? mean / mass : Number.NaN;
  }
  return out;
}

/**
 * Indices of at most about `most` points that keep the lowest and the highest of every stretch, and both
 * ends.
 */
export function thinned(values: ArrayLike<number>, most: number): Uint32Array {
  const n = values.length;
  if (n <= most) return Uint32Array.from({ length: n }, (_, i) => i);
  const stretches = Math.max(1, Math.floor((most - 2) / 2));
  const out: number[] = [0];
  for (let s = 0; s < stretches; s++) {
    const from = Math.max(1, Math.floor((s * n) / stretches));
    const to = Math.min(n - 1, Math.floor(((s + 1) * n) / stretches));
    if (from >= to) continue;
    let low = from;
    let high = from;
    for (let i = from + 1; i < to; i++) {
      if (values[i]! < values[low]!) low = i;
      if (values[i]! > values[high]!) high = i;
    }
    out.push(Math.min(low, high));
    if (low !== high) out.push(Math.max(low, high));
  }
  out.push(n - 1);
  return Uint32Array.from(out);
}
