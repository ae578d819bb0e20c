/**
 * @file Gemma, Gemma 2 and Gemma 3 (text) in float64, from modeling_gemma.py, modeling_gemma2.py and
 * modeling_gemma3.py.
 */
import {
  activations,
  add,
  attention,
  embed,
  flatten,
  gate,
  linear,
  mapRows,
  normHeads,
  numberOf,
  rmsNorm,
  ropeFrequencies,
  rotate,
  weightReader,
  type Activation,
  type Config,
  type Matrix,
  type Weights,
} from './layers.ts';

/** `x` rounded to this many significant bits, halves to even. */
function roundToBits(x: number, bits: number): number {
  const unit = 2 ** (Math.floor(Math.log2(x)) - bits + 1);
  const units = x / unit;
  const floor = Math.floor(units);
  const rest = units - floor;
  const roundsUp = rest > 0.5 || (rest === 0.5 && floor % 2 === 1);
  return unit * (roundsUp ? floor + 1 : floor);
}
const significantBits: Readonly<Record<string, number>> = { float32: 24, float16: 11, bfloat16: 8 };

/** sqrt(hidden) rounded to float32, then to the element type of the weights. */
function embedScale(config: Config, hidden: number): number {
  const dtype = String(config['dtype'] ?? config['torch_dtype'] ?? 'float32');
  return roundToBits(roundToBits(Math.sqrt(hidden), 24), significantBits[dtype]!);
}

function layerTypesOf(config: Config): readonly string[] {
  const list = config['layer_types'] as readonly string[] | undefined;
  if (list) return list;
  const period = config['model_type'] === 'gemma2' ? 2 : numberOf(config, 'sliding_window_pattern', 6);
  return Array.from({ length: Number(config['num_hidden_layers']) }, (_, i) =>
    (i + 1) % period === 0 ? 'full_attention' : 'sliding_attention',
  );
}

/** A number of config.json, the default of the class if it is absent, or null if it is switched off. */
const optionalNumber = (config: Config, key: string, defaultValue: number | null): number | null =>
  config[key] === undefined ? defaultValue : (config[key] as number | null);

/** Rotary frequencies of layers with this attention type. */
function frequenciesOf(config: Config, headDim: number, type: string): readonly number[] {
  if (config['model_type'] !== 'gemma3_text') return ropeFrequencies(config, headDim);
  const ofType = (config['rope_parameters'] as Record<string, Config> | undefined)?.[type];
  if (ofType) return ropeFrequencies({ rope_parameters: ofType }, headDim);
  if (type === 'sliding_attention')
    return ropeFrequencies({ rope_theta: numberOf(config, 'rope_local_base_freq', 1e4) }, headDim);
  const theta = numberOf(config, 'rope_theta', 1e6);
  return ropeFrequencies({ rope_theta: theta, rope_scaling: config['rope_scaling'] }, headDim);
}

/** Gemma reads hidden_act, later models hidden_activation; "gelu" means the tanh approximation. */
function activationOf(config: Config, isGemma1: boolean): Activation {
  const name = isGemma1 ? config['hidden_act'] : config['hidden_activation'];
  const isGelu = name === undefined || name === 'gelu' || name === 'gelu_pytorch_tanh';
  return activations[isGelu ? 'gelu_new' : String(name)]!;
}

const softcap = (x: number, cap: number | null): number => (cap === null ? x : Math.tanh(x / cap) * cap);

export function gemmaLogits(config: Config, weights: Weights, tokens: readonly number[]): Float64Array {
  const get = weightReader(weights);
  const type = String(config['model_type']);
  const isGemma1 = type === 'gemma';
  const isGemma3 = type === 'gemma3_text';
  const hidden = numberOf(config, 'hidden_size', 0);
  const heads = numberOf(config, 'num_attention_heads', 0);
  const kvHeads = numberOf(config, 'num_key_value_heads', 0);
  const headDim = numberOf(config, 'head_dim', 256);
  const eps = numberOf(config, 'rms_norm_eps', 1e-6);
  const act = activationOf(config, isGemma1);
  const layerTypes = layerTypesOf(config);
  const slidingWindow = optionalNumber(config, 'sliding_window', 4096) ?? Infinity;
  const scale = (isGemma1 ? headDim : numberOf(config, 'query_pre_attn_scalar', 256)) ** -0.5;
  const scoreCap = type === 'gemma2' ? optionalNumber(config, 'attn_logit_softcapping', 50) : null;
  const logitCap = isGemma1 ? null : optionalNumber(config, 'final_logit_softcapping', isGemma3 ? null : 30);
  const score = (dot: number): number => softcap(dot * scale, scoreCap);
  const norm = (x: Matrix, name: string): Matrix =>
    rmsNorm(
      x,
      get(`${name}.weight`).map((w) => 1 + w),
      eps,
    );
  const project = (x: Matrix, name: string): Matrix => {
    const hasBias = config['attention_bias'] === true && name.includes('self_attn');
    return linear(x, get(`${name}.weight`), hasBias ? get(`${name}.bias`) : undefined);
  };
  /** Gemma 2 and 3 have a norm at the end of each branch. */
  const postNorm = (x: Matrix, name: string): Matrix => (isGemma1 ? x : norm(x, name));

  const table = get('model.embed_tokens.weight');
  const factor = embedScale(config, hidden);
  let x: Matrix = mapRows(embed(table, hidden, tokens), (v) => v * factor);
  for (let l = 0; l < numberOf(config, 'num_hidden_layers', 0); l++) {
    const layer = `model.layers.${l}`;
    const attn = `${layer}.self_attn`;
    const slides = !isGemma1 && layerTypes[l] === 'sliding_attention';
    const window = slides ? slidingWindow : Infinity;
    const frequencies = frequenciesOf(config, headDim, layerTypes[l]!);
    const y = norm(x, `${layer}.input_layernorm`);
    const queryOrKey = (name: 'q' | 'k'): Matrix => {
      const projected = project(y, `${attn}.${name}_proj`);
      const normed = isGemma3
        ? normHeads(projected, headDim, (heads) => norm(heads, `${attn}.${name}_norm`))
        : projected;
      return rotate(normed, headDim, frequencies);
    };
    const v = project(y, `${attn}.v_proj`);
    const options = { heads, kvHeads, headDim, window, score };
    const attended = attention(queryOrKey('q'), queryOrKey('k'), v, options);
    x = add(x, postNorm(project(attended, `${attn}.o_proj`), `${layer}.post_attention_layernorm`));
    const z = norm(x, `${layer}.${isGemma1 ? 'post_attention' : 'pre_feedforward'}_layernorm`);
    const inner = gate(project(z, `${layer}.mlp.gate_proj`), project(z, `${layer}.mlp.up_proj`), act);
    x = add(x, postNorm(project(inner, `${layer}.mlp.down_proj`), `${layer}.post_feedforward_layernorm`));
  }
  const tied = config['tie_word_embeddings'] !== false;
  const logits = linear(norm(x, 'model.norm'), tied ? table : get('lm_head.weight'));
  return flatten(logits).map((v) => softcap(v, logitCap));
}
