/** @file Forward passes by hand in float64, from the Hugging Face definitions (modeling_gpt2.py, modeling_llama.py, modeling_rope_utils.py). Shares no code with src-main. */

export type Weights = ReadonlyMap<string, Float64Array>;
/** A config.json as parsed. */
export type Config = Readonly<Record<string, unknown>>;

/** Logits [tokens, vocab], row-major, of one sequence. Names are without prefix. `transformer` is the model_type. */
export function referenceLogits(config: Config, weights: Weights, tokens: readonly number[]): Float64Array {
  const forward = { gpt2: gpt2Logits, llama: llamaLogits }[config['model_type'] as 'gpt2' | 'llama'];
  return forward(config, weights, tokens);
}

/** Mean next-token loss of `tokens` in nats. */
export function referenceLoss(config: Config, weights: Weights, tokens: readonly number[]): number {
  const logits = referenceLogits(config, weights, tokens), vocab = logits.length / tokens.length;
  let loss = 0;
  for (let t = 0; t + 1 < tokens.length; t++) {
    const row = logits.subarray(t * vocab, (t + 1) * vocab), top = Math.max(...row);
    loss += top + Math.log(row.reduce((sum, x) => sum + Math.exp(x - top), 0)) - row[tokens[t + 1]!]!;
  }
  return loss / (tokens.length - 1);
}

const erf = (x: number): number => {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x, sum = x;
  for (let n = 1; n < 200; n++) { term *= (-x * x) / n; sum += term / (2 * n + 1); }
  return (2 / Math.sqrt(Math.PI)) * sum;
};
const activations: Readonly<Record<string, (x: number) => number>> = {
  gelu_new: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  silu: (x) => x / (1 + Math.exp(-x)),
  relu: (x) => Math.max(0, x),
};

type Matrix = readonly Float64Array[];
const number = (config: Config, key: string, otherwise: number): number => (typeof config[key] === 'number' ? config[key] : otherwise);
const zip = (x: Matrix, y: Matrix): Matrix => x.map((row, i) => row.map((v, j) => v + y[i]![j]!));

/** rows × W, where W is stored [out, in]; nothing added when there is no bias. */
function project(x: Matrix, weight: Float64Array, bias: Float64Array | undefined): Matrix {
  const width = x[0]!.length, out = weight.length / width;
  return x.map((row) => Float64Array.from({ length: out }, (_, o) => {
    let sum = bias ? bias[o]! : 0;
    for (let i = 0; i < width; i++) sum += row[i]! * weight[o * width + i]!;
    return sum;
  }));
}

/** rows × W, where W is stored [in, out] (transformers' Conv1D). */
function convolve(x: Matrix, weight: Float64Array, bias: Float64Array): Matrix {
  const out = bias.length;
  return x.map((row) => Float64Array.from(bias, (b, o) => row.reduce((sum, v, i) => sum + v * weight[i * out + o]!, b)));
}

function layerNorm(x: Matrix, gain: Float64Array, shift: Float64Array, eps: number): Matrix {
  return x.map((row) => {
    const mean = row.reduce((a, b) => a + b, 0) / row.length, variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / row.length;
    return row.map((v, i) => ((v - mean) / Math.sqrt(variance + eps)) * gain[i]! + shift[i]!);
  });
}

const rmsNorm = (x: Matrix, gain: Float64Array, eps: number): Matrix =>
  x.map((row) => { const root = Math.sqrt(row.reduce((a, b) => a + b * b, 0) / row.length + eps); return row.map((v, i) => (v / root) * gain[i]!); });

/** Causal attention of each query head over the key and value head it shares: [tokens, heads * width]. */
function attend(q: Matrix, k: Matrix, v: Matrix, heads: number, shared: number, width: number): Matrix {
  return q.map((query, t) => {
    const out = new Float64Array(heads * width);
    for (let h = 0; h < heads; h++) {
      const kv = Math.floor(h / (heads / shared));
      const scores = Array.from({ length: t + 1 }, (_, s) => {
        let dot = 0;
        for (let i = 0; i < width; i++) dot += query[h * width + i]! * k[s]![kv * width + i]!;
        return dot / Math.sqrt(width);
      });
      const top = Math.max(...scores), powers = scores.map((s) => Math.exp(s - top)), total = powers.reduce((a, b) => a + b, 0);
      for (let s = 0; s <= t; s++) for (let i = 0; i < width; i++) out[h * width + i]! += (powers[s]! / total) * v[s]![kv * width + i]!;
    }
    return out;
  });
}

function gpt2Logits(config: Config, weights: Weights, tokens: readonly number[]): Float64Array {
  const get = (name: string): Float64Array => weights.get(name) ?? fail(name);
  const width = number(config, 'n_embd', 768), heads = number(config, 'n_head', 12), eps = number(config, 'layer_norm_epsilon', 1e-5);
  const act = activations[String(config['activation_function'] ?? 'gelu_new')]!;
  const norm = (x: Matrix, name: string): Matrix => layerNorm(x, get(`${name}.weight`), get(`${name}.bias`), eps);
  const wte = get('wte.weight'), wpe = get('wpe.weight');
  let x: Matrix = tokens.map((token, t) => Float64Array.from({ length: width }, (_, i) => wte[token * width + i]! + wpe[t * width + i]!));
  for (let layer = 0; layer < number(config, 'n_layer', 12); layer++) {
    const name = `h.${layer}`, head = width / heads;
    const qkv = convolve(norm(x, `${name}.ln_1`), get(`${name}.attn.c_attn.weight`), get(`${name}.attn.c_attn.bias`));
    const part = (i: number): Matrix => qkv.map((row) => row.slice(i * width, (i + 1) * width));
    x = zip(x, convolve(attend(part(0), part(1), part(2), heads, heads, head), get(`${name}.attn.c_proj.weight`), get(`${name}.attn.c_proj.bias`)));
    const inner = convolve(norm(x, `${name}.ln_2`), get(`${name}.mlp.c_fc.weight`), get(`${name}.mlp.c_fc.bias`)).map((row) => row.map(act));
    x = zip(x, convolve(inner, get(`${name}.mlp.c_proj.weight`), get(`${name}.mlp.c_proj.bias`)));
  }
  const tied = config['tie_word_embeddings'] !== false;
  return flat(project(norm(x, 'ln_f'), tied ? wte : get('lm_head.weight'), undefined));
}

function llamaLogits(config: Config, weights: Weights, tokens: readonly number[]): Float64Array {
  const get = (name: string): Float64Array => weights.get(name) ?? fail(name);
  const width = number(config, 'hidden_size', 0), heads = number(config, 'num_attention_heads', 0), shared = number(config, 'num_key_value_heads', heads);
  const head = number(config, 'head_dim', width / heads), eps = number(config, 'rms_norm_eps', 1e-6), act = activations[String(config['hidden_act'] ?? 'silu')]!;
  const linear = (x: Matrix, name: string, biased: unknown): Matrix => project(x, get(`${name}.weight`), biased === true ? get(`${name}.bias`) : undefined);
  const angles = frequencies(config, head);
  const turn = (x: Matrix): Matrix => x.map((row, t) => row.map((v, j) => {
    const i = j % head, half = head / 2, angle = t * angles[i % half]!;
    return v * Math.cos(angle) + (i < half ? -row[j + half]! : row[j - half]!) * Math.sin(angle);
  }));
  const table = get('model.embed_tokens.weight'), { attention_bias: attentionBias, mlp_bias: mlpBias } = config;
  let x: Matrix = tokens.map((token) => table.slice(token * width, (token + 1) * width));
  for (let layer = 0; layer < number(config, 'num_hidden_layers', 0); layer++) {
    const at = `model.layers.${layer}`, y = rmsNorm(x, get(`${at}.input_layernorm.weight`), eps);
    const [q, k, v] = ['q', 'k', 'v'].map((name) => linear(y, `${at}.self_attn.${name}_proj`, attentionBias)) as [Matrix, Matrix, Matrix];
    x = zip(x, linear(attend(turn(q), turn(k), v, heads, shared, head), `${at}.self_attn.o_proj`, attentionBias));
    const z = rmsNorm(x, get(`${at}.post_attention_layernorm.weight`), eps), up = linear(z, `${at}.mlp.up_proj`, mlpBias);
    const gated = linear(z, `${at}.mlp.gate_proj`, mlpBias).map((row, i) => row.map((g, j) => act(g) * up[i]![j]!));
    x = zip(x, linear(gated, `${at}.mlp.down_proj`, mlpBias));
  }
  const last = rmsNorm(x, get('model.norm.weight'), eps);
  return flat(project(last, config['tie_word_embeddings'] === true ? table : get('lm_head.weight'), undefined));
}

/** Radians per position of each pair of a head's entries. */
function frequencies(config: Config, head: number): readonly number[] {
  const rope = { ...(config['rope_scaling'] as Config | null), ...(config['rope_parameters'] as Config | null) };
  const base = Number(rope['rope_theta'] ?? config['rope_theta'] ?? 10_000), type = rope['rope_type'] ?? rope['type'] ?? 'default', factor = Number(rope['factor'] ?? 1);
  const plain = Array.from({ length: head / 2 }, (_, i) => base ** (-(2 * i) / head));
  if (type === 'linear') return plain.map((f) => f / factor);
  if (type !== 'llama3') return plain;
  const low = Number(rope['low_freq_factor']), high = Number(rope['high_freq_factor']), original = Number(rope['original_max_position_embeddings']);
  return plain.map((f) => {
    const wave = (2 * Math.PI) / f;
    if (wave < original / high) return f;
    if (wave > original / low) return f / factor;
    const smooth = (original / wave - low) / (high - low);
    return ((1 - smooth) * f) / factor + smooth * f;
  });
}

function flat(rows: Matrix): Float64Array {
  const out = new Float64Array(rows.length * rows[0]!.length);
  rows.forEach((row, i) => out.set(row, i * row.length));
  return out;
}

function fail(name: string): never { throw new Error(`the reference lacks ${name}`); }
