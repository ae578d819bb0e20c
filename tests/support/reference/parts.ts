/** @file What the reference's forward passes are made of, in float64, one plain loop each. */

export type Weights = ReadonlyMap<string, Float64Array>;
/** A config.json as parsed. */
export type Config = Readonly<Record<string, unknown>>;
export type Matrix = readonly Float64Array[];
/** Logits [tokens, vocab], row-major, of one sequence. */
export type Forward = (config: Config, weights: Weights, tokens: readonly number[]) => Float64Array;

const erf = (x: number): number => {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 0; n < 300; n++) {
    term *= (2 * x * x) / (2 * n + 3);
    sum += term;
  } // all terms of one sign: nothing cancels
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
};
export const activations: Readonly<Record<string, (x: number) => number>> = {
  gelu_new: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  silu: (x) => x / (1 + Math.exp(-x)),
  relu: (x) => Math.max(0, x),
};

export const number = (config: Config, key: string, otherwise: number): number =>
  typeof config[key] === 'number' ? config[key] : otherwise;
export const zip = (x: Matrix, y: Matrix): Matrix => x.map((row, i) => row.map((v, j) => v + y[i]![j]!));

/** rows × W, where W is stored [out, in]; nothing added when there is no bias. */
export function project(x: Matrix, weight: Float64Array, bias: Float64Array | undefined): Matrix {
  const width = x[0]!.length;
  const out = weight.length / width;
  return x.map((row) =>
    Float64Array.from({ length: out }, (_, o) => {
      let sum = bias ? bias[o]! : 0;
      for (let i = 0; i < width; i++) sum += row[i]! * weight[o * width + i]!;
      return sum;
    }),
  );
}

/** rows × W, where W is stored [in, out] (transformers' Conv1D). */
export function convolve(x: Matrix, weight: Float64Array, bias: Float64Array): Matrix {
  const out = bias.length;
  return x.map((row) =>
    Float64Array.from(bias, (b, o) => row.reduce((sum, v, i) => sum + v * weight[i * out + o]!, b)),
  );
}

export function layerNorm(x: Matrix, gain: Float64Array, shift: Float64Array, eps: number): Matrix {
  return x.map((row) => {
    const mean = row.reduce((a, b) => a + b, 0) / row.length;
    const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / row.length;
    return row.map((v, i) => ((v - mean) / Math.sqrt(variance + eps)) * gain[i]! + shift[i]!);
  });
}

export const rmsNorm = (x: Matrix, gain: Float64Array, eps: number): Matrix =>
  x.map((row) => {
    const root = Math.sqrt(row.reduce((a, b) => a + b * b, 0) / row.length + eps);
    return row.map((v, i) => (v / root) * gain[i]!);
  });

/**
 * Causal attention of each query head over the key and value head it shares: [tokens, heads * width]. A
 * position sees the last `window` positions, itself among them; `score` is made of the product of a query and
 * a key.
 */
export function attend(
  q: Matrix,
  k: Matrix,
  v: Matrix,
  heads: number,
  shared: number,
  width: number,
  window = Infinity,
  score = (dot: number): number => dot / Math.sqrt(width),
): Matrix {
  return q.map((query, t) => {
    const out = new Float64Array(heads * width);
    for (let h = 0; h < heads; h++) {
      const kv = Math.floor(h / (heads / shared));
      const scores = Array.from({ length: t + 1 }, (_, s) => {
        if (t - s >= window) return -Infinity;
        let dot = 0;
        for (let i = 0; i < width; i++) dot += query[h * width + i]! * k[s]![kv * width + i]!;
        return score(dot);
      });
      const top = Math.max(...scores);
      const powers = scores.map((s) => Math.exp(s - top));
      const total = powers.reduce((a, b) => a + b, 0);
      for (let s = 0; s <= t; s++)
        for (let i = 0; i < width; i++) out[h * width + i]! += (powers[s]! / total) * v[s]![kv * width + i]!;
    }
    return out;
  });
}

/**
 * Rows of heads `head` wide, row t turned by t; of each head the first 2 × angles entries, the others pass.
 */
export const turned = (x: Matrix, head: number, angles: readonly number[]): Matrix =>
  x.map((row, t) =>
    row.map((v, j) => {
      const i = j % head;
      const half = angles.length;
      if (i >= 2 * half) return v;
      const angle = t * angles[i % half]!;
      return v * Math.cos(angle) + (i < half ? -row[j + half]! : row[j - half]!) * Math.sin(angle);
    }),
  );

/** `f` of each stretch of `width` entries of each row. */
export const each = (x: Matrix, width: number, f: (rows: Matrix) => Matrix): Matrix =>
  x.map((row) =>
    Float64Array.from(
      f(Array.from({ length: row.length / width }, (_, i) => row.slice(i * width, (i + 1) * width))).flatMap(
        (part) => [...part],
      ),
    ),
  );

/** The weight of this name, which must be there. */
export const reader =
  (weights: Weights) =>
  (name: string): Float64Array =>
    weights.get(name) ?? fail(name);

/** The rows of a table. */
export const rows = (table: Float64Array, width: number, places: readonly number[]): Matrix =>
  places.map((place) => table.slice(place * width, (place + 1) * width));

/** Radians per position of each pair of the entries that are turned. */
export function frequencies(config: Config, head: number): readonly number[] {
  const rope = {
    ...(config['rope_scaling'] as Config | null),
    ...(config['rope_parameters'] as Config | null),
  };
  const base = Number(rope['rope_theta'] ?? config['rope_theta'] ?? 10_000);
  const type = rope['rope_type'] ?? rope['type'] ?? 'default';
  const factor = Number(rope['factor'] ?? 1);
  const plain = Array.from({ length: head / 2 }, (_, i) => base ** (-(2 * i) / head));
  if (type === 'linear') return plain.map((f) => f / factor);
  if (type !== 'llama3') return plain;
  const low = Number(rope['low_freq_factor']);
  const high = Number(rope['high_freq_factor']);
  const original = Number(rope['original_max_position_embeddings']);
  return plain.map((f) => {
    const wave = (2 * Math.PI) / f;
    if (wave < original / high) return f;
    if (wave > original / low) return f / factor;
    const smooth = (original / wave - low) / (high - low);
    return ((1 - smooth) * f) / factor + smooth * f;
  });
}

export function flat(rows: Matrix): Float64Array {
  const out = new Float64Array(rows.length * rows[0]!.length);
  rows.forEach((row, i) => out.set(row, i * row.length));
  return out;
}

export function fail(name: string): never {
  throw new Error(`the reference lacks ${name}`);
}
