/** @file Growing series of numbers, their smoothing, and their thinning for charts. */

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
  /** Negative indices count from the end. */
  at(index: number): number {
    return this.#values[index < 0 ? this.length + index : index]!;
  }
  /** Shortens the column to `length` values. */
  cut(length: number): void {
    this.length = Math.min(this.length, length);
  }
  /** A view of the values, not a copy. */
  get values(): Float64Array {
    return this.#values.subarray(0, this.length);
  }
}

/**
 * Exponential moving average with bias correction, as in Adam. `decay` is in [0, 1). Values that are not finite
 * are skipped.
 */
export function smooth(values: ArrayLike<number>, decay: number): Float64Array {
  const out = new Float64Array(values.length);
  let average = 0;
  let weight = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isFinite(value)) {
      average = decay * average + (1 - decay) * value;
      weight = decay * weight + (1 - decay);
    }
    out[i] = weight > 0 ? average / weight : Number.NaN;
  }
  return out;
}

/** Indices of at most about `maxPoints` values: both ends, and the lowest and highest of every segment. */
export function thin(values: ArrayLike<number>, maxPoints: number): Uint32Array {
  const count = values.length;
  if (count <= maxPoints) return Uint32Array.from({ length: count }, (_, i) => i);
  const segments = Math.max(1, Math.floor((maxPoints - 2) / 2));
  const indices: number[] = [0];
  for (let segment = 0; segment < segments; segment++) {
    const from = Math.max(1, Math.floor((segment * count) / segments));
    const to = Math.min(count - 1, Math.floor(((segment + 1) * count) / segments));
    if (from >= to) continue;
    let low = from;
    let high = from;
    for (let i = from + 1; i < to; i++) {
      if (values[i]! < values[low]!) low = i;
      if (values[i]! > values[high]!) high = i;
    }
    indices.push(Math.min(low, high));
    if (low !== high) indices.push(Math.max(low, high));
  }
  indices.push(count - 1);
  return Uint32Array.from(indices);
}
