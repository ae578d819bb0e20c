/** @file The layers that the reference is made of, in float64, written as plain loops. */

/** Weights by name, without prefix, in stored order. */
export type Weights = ReadonlyMap<string, Float64Array>;
/** A parsed config.json. */
export type Config = Readonly<Record<string, unknown>>;
/** One row per token. */
export type Matrix = readonly Float64Array[];
/** Logits [tokens, vocab], row-major, of one sequence. */
export type Forward = (config: Config, weights: Weights, tokens: readonly number[]) => Float64Array;

/** Taylor series; all terms have the same sign, so that nothing cancels. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 0; n < 300; n++) {
    term *= (2 * x * x) / (2 * n + 3);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

export type Activation = (x: number) => number;
export const activations: Readonly<Record<string, Activation>> = {
  gelu_new: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  silu: (x) => x / (1 + Math.exp(-x)),
  relu: (x) => Math.max(0, x),
  relu2: (x) => Math.max(0, x) ** 2,
  gelu_pytorch_tanh: (x) => activations['gelu_new']!(x),
};

export const numberOf = (config: Config, key: string, defaultValue: number): number =>
  typeof config[key] === 'number' ? config[key] : defaultValue;

/** A function that returns the weight of a name and throws if there is none. */
export const weightReader =
  (weights: Weights) =>
  (name: string): Float64Array => {
    const weight = weights.get(name);
    if (!weight) throw new Error(`the reference found no weight ${name}`);
    return weight;
  };

export const add = (x: Matrix, y: Matrix): Matrix => x.map((row, i) => row.map((v, j) => v + y[i]![j]!));
export const mapRows = (x: Matrix, f: Activation): Matrix => x.map((row) => row.map((v) => f(v)));

export function flatten(rows: Matrix): Float64Array {
  const out = new Float64Array(rows.length * rows[0]!.length);
  rows.forEach((row, i) => out.set(row, i * row.length));
  return out;
}

/** The rows of an embedding. */
export const embed = (table: Float64Array, width: number, ids: readonly number[]): Matrix =>
  ids.map((id) => table.slice(id * width, (id + 1) * width));

/** x Wᵀ + bias, where W is stored as [out, in]. */
export function linear(x: Matrix, weight: Float64Array, bias?: Float64Array): Matrix {
  const inputs = x[0]!.length;
  const outputs = weight.length / inputs;
  return x.map((row) =>
    Float64Array.from({ length: outputs }, (_, o) => {
      let sum = bias ? bias[o]! : 0;
      for (let i = 0; i < inputs; i++) sum += row[i]! * weight[o * inputs + i]!;
      return sum;
    }),
  );
}

/** x W + bias, where W is stored as [in, out] (Conv1D of transformers). */
export function conv1d(x: Matrix, weight: Float64Array, bias: Float64Array): Matrix {
  const outputs = bias.length;
  return x.map((row) =>
    Float64Array.from(bias, (b, o) => row.reduce((sum, v, i) => sum + v * weight[i * outputs + o]!, b)),
  );
}

/** act(gate) * up, element by element. */
export const gate = (gates: Matrix, up: Matrix, act: Activation): Matrix =>
  gates.map((row, i) => row.map((g, j) => act(g) * up[i]![j]!));

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

/** Applies `norm` to every head of every row. */
export const normHeads = (x: Matrix, headDim: number, norm: (heads: Matrix) => Matrix): Matrix =>
  x.map((row) => {
    const heads = Array.from({ length: row.length / headDim }, (_, h) =>
      row.slice(h * headDim, (h + 1) * headDim),
    );
    return flatten(norm(heads));
  });

export interface Heads {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

export interface AttentionOptions extends Heads {
  /** A position attends to the last `window` positions, including itself. Default: all. */
  readonly window?: number;
  /** The score of the dot product of a query and a key, by head and position. Default: divided by sqrt(headDim). */
  readonly score?: (dot: number, head: number, position: number) => number;
}

/** Causal grouped-query attention, [tokens, heads * headDim]. */
export function attention(q: Matrix, k: Matrix, v: Matrix, options: AttentionOptions): Matrix {
  const { heads, kvHeads, headDim, window = Infinity } = options;
  const { score = (dot: number): number => dot / Math.sqrt(headDim) } = options;
  return q.map((query, t) => {
    const out = new Float64Array(heads * headDim);
    for (let h = 0; h < heads; h++) {
      const kv = Math.floor(h / (heads / kvHeads));
      const scores = Array.from({ length: t + 1 }, (_, s) => {
        if (t - s >= window) return -Infinity;
        let dot = 0;
        for (let i = 0; i < headDim; i++) dot += query[h * headDim + i]! * k[s]![kv * headDim + i]!;
        return score(dot, h, s);
      });
      const max = Math.max(...scores);
      const exps = scores.map((s) => Math.exp(s - max));
      const total = exps.reduce((a, b) => a + b, 0);
      for (let s = 0; s <= t; s++)
        for (let i = 0; i < headDim; i++)
          out[h * headDim + i]! += (exps[s]! / total) * v[s]![kv * headDim + i]!;
    }
    return out;
  });
}

/** Rotary positions in the half-split form. Entries of a head beyond 2 × frequencies are unchanged. */
export const rotate = (x: Matrix, headDim: number, frequencies: readonly number[]): Matrix =>
  x.map((row, position) =>
    row.map((v, j) => {
      const i = j % headDim;
      const half = frequencies.length;
      if (i >= 2 * half) return v;
      const angle = position * frequencies[i % half]!;
      const partner = i < half ? -row[j + half]! : row[j - half]!;
      return v * Math.cos(angle) + partner * Math.sin(angle);
    }),
  );

/** Radians per position of each rotated pair, for heads with `width` rotated entries. */
export function ropeFrequencies(config: Config, width: number): readonly number[] {
  const rope = {
    ...(config['rope_scaling'] as Config | null),
    ...(config['rope_parameters'] as Config | null),
  };
  const base = Number(rope['rope_theta'] ?? config['rope_theta'] ?? 10_000);
  const type = rope['rope_type'] ?? rope['type'] ?? 'default';
  const factor = Number(rope['factor'] ?? 1);
  const plain = Array.from({ length: width / 2 }, (_, i) => base ** (-(2 * i) / width));
  if (type === 'linear') return plain.map((f) => f / factor);
  if (type !== 'llama3') return plain;
  const low = Number(rope['low_freq_factor']);
  const high = Number(rope['high_freq_factor']);
  const original = Number(rope['original_max_position_embeddings']);
  return plain.map((f) => {
    const wavelength = (2 * Math.PI) / f;
    if (wavelength < original / high) return f;
    if (wavelength > original / low) return f / factor;
    const smooth = (original / wavelength - low) / (high - low);
    return ((1 - smooth) * f) / factor + smooth * f;
  });
}
