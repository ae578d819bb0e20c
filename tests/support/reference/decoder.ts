/**
 * @file The decoders that differ from Llama in a few places, in float64, from modeling_<name>.py of each: a row of
 * traits for every model type, and one forward pass that has them all.
 */
import {
  activations,
  add,
  attention,
  embed,
  flatten,
  gate,
  layerNorm,
  linear,
  mapRows,
  normHeads,
  numberOf,
  rmsNorm,
  weightReader,
  type Config,
  type Forward,
  type Matrix,
} from './layers.ts';
import { mixtureOfExperts } from './experts.ts';
import { rotationOf, turn } from './rope.ts';

interface Traits {
  readonly norm?: 'rms' | 'layer' | 'layer1p';
  readonly eps?: readonly [key: string, defaultValue: number];
  /** Norms before the attention, after it, before the MLP and after it; null where there is none. */
  readonly norms?: readonly (string | null)[];
  readonly lastNorm?: string;
  readonly parallel?: boolean;
  readonly output?: string;
  /** Gate, up and down of the MLP; two names are a plain MLP, and `fused` has gate and up in one. */
  readonly mlp?: readonly string[];
  readonly activation?: string;
  /** Whether experts take the place of the MLP. */
  readonly experts?: true;
  readonly headDim?: number;
  readonly tied?: boolean;
  readonly theta?: number;
  readonly partial?: number;
  readonly interleaved?: boolean;
  /** Norms of queries and keys: before or after the rotation, over a head or over all heads. */
  readonly queryNorm?: {
    readonly after?: true;
    readonly all?: true;
    readonly names: readonly [string, string];
  };
  /** Every how many layers the attention is full, by default. */
  readonly period?: number;
  /** Whether only layers with a window have positions. */
  readonly slidingRotates?: boolean;
}

const pre = ['input_layernorm', null, 'post_attention_layernorm', null];
const layerEps = ['layer_norm_eps', 1e-5] as const;
const qkNorm = ['q_norm', 'k_norm'] as const;
const plainMlp = ['up_proj', 'down_proj'];

const traitsOf: Readonly<Record<string, Traits>> = {
  smollm3: { theta: 2e6, tied: true },
  granite: {},
  olmo3: {
    eps: ['rms_norm_eps', 1e-5],
    norms: [null, 'post_attention_layernorm', null, 'post_feedforward_layernorm'],
    theta: 5e5,
    queryNorm: { all: true, names: qkNorm },
    period: 4,
  },
  phi: {
    norm: 'layer',
    eps: layerEps,
    norms: ['input_layernorm', null, null, null],
    lastNorm: 'final_layernorm',
    parallel: true,
    output: 'dense',
    mlp: ['fc1', 'fc2'],
    activation: 'gelu_new',
    partial: 0.5,
  },
  starcoder2: {
    norm: 'layer',
    eps: ['norm_epsilon', 1e-5],
    mlp: ['c_fc', 'c_proj'],
    activation: 'gelu_pytorch_tanh',
    tied: true,
  },
  cohere: {
    norm: 'layer',
    eps: layerEps,
    norms: ['input_layernorm', null, null, null],
    parallel: true,
    theta: 5e5,
    interleaved: true,
    tied: true,
  },
  glm: {
    eps: ['rms_norm_eps', 1.5625e-7],
    mlp: ['fused', 'down_proj'],
    headDim: 128,
    partial: 0.5,
    interleaved: true,
  },
  nemotron: { norm: 'layer1p', eps: ['norm_eps', 1e-5], mlp: plainMlp, activation: 'relu2', partial: 0.5 },
  ministral: {},
  ministral3: { eps: ['rms_norm_eps', 1e-5], headDim: 128 },
  exaone4: {
    eps: ['rms_norm_eps', 1e-5],
    norms: [null, 'post_attention_layernorm', null, 'post_feedforward_layernorm'],
    queryNorm: { names: qkNorm },
    period: 4,
    slidingRotates: true,
  },
  arcee: { eps: ['rms_norm_eps', 1e-5], mlp: plainMlp, activation: 'relu2' },
  ernie4_5: { eps: ['rms_norm_eps', 1e-5], theta: 5e5, headDim: 128, interleaved: true, tied: true },
  seed_oss: { headDim: 128 },
  hunyuan_v1_dense: {
    eps: ['rms_norm_eps', 1e-5],
    queryNorm: { after: true, names: ['query_layernorm', 'key_layernorm'] },
  },
  olmoe: { eps: ['rms_norm_eps', 1e-5], queryNorm: { all: true, names: qkNorm }, experts: true },
  helium: { eps: ['rms_norm_eps', 1e-8], theta: 1e5, headDim: 128, interleaved: true },
};

const traitsByType: Readonly<Record<string, Traits>> = {
  ...traitsOf,
  cohere2: { ...traitsOf['cohere'], theta: 1e4, period: 4, slidingRotates: true },
  glm4: {
    ...traitsOf['glm'],
    norms: ['input_layernorm', 'post_self_attn_layernorm', 'post_attention_layernorm', 'post_mlp_layernorm'],
  },
};

export const decoderTypes: readonly string[] = Object.keys(traitsByType);

/** The window of a layer and whether it has positions. */
function layerOf(
  config: Config,
  traits: Traits,
  l: number,
): { readonly window: number; readonly rotates: boolean } {
  const type = config['model_type'];
  const usesWindow = type !== 'smollm3' || config['use_sliding_window'] === true;
  const defaults: Readonly<Record<string, number>> = {
    olmo3: 4096,
    cohere2: 4096,
    exaone4: 4096,
    ministral: 4096,
  };
  const given = config['sliding_window'];
  const size =
    given === null || !usesWindow
      ? Infinity
      : numberOf(config, 'sliding_window', defaults[String(type)] ?? Infinity);
  const list = config['layer_types'] as readonly string[] | undefined;
  const noRope = config['no_rope_layers'] as readonly number[] | undefined;
  const hasRope = noRope ? noRope[l] === 1 : (l + 1) % numberOf(config, 'no_rope_layer_interval', 4) !== 0;
  const period = numberOf(config, 'sliding_window_pattern', traits.period ?? 0);
  const byRule = type === 'smollm3' ? !hasRope : traits.period === undefined || (l + 1) % period !== 0;
  const slides = list ? list[l] === 'sliding_attention' : byRule;
  const window = slides ? size : Infinity;
  if (type === 'smollm3') return { window, rotates: hasRope };
  const all = type === 'exaone4' && given === null;
  return { window, rotates: traits.slidingRotates !== true || all || window !== Infinity };
}

/** The rotary object of a layer. */
function ropeOf(config: Config, window: number): Config {
  const scaling = config['rope_scaling'] as Config | null | undefined;
  const parameters = config['rope_parameters'] as Config | null | undefined;
  if (config['model_type'] !== 'olmo3') return scaling ?? parameters ?? {};
  const of = (parameters?.[window === Infinity ? 'full_attention' : 'sliding_attention'] ?? {}) as Config;
  return window === Infinity ? { ...of, ...scaling } : { rope_theta: 5e5, ...of };
}

export const decoderLogits: Forward = (config, weights, tokens) => {
  const get = weightReader(weights);
  const traits = traitsByType[String(config['model_type'])]!;
  const { norm: kind = 'rms', norms = pre, parallel = false, output = 'o_proj' } = traits;
  const { mlp = ['gate_proj', 'up_proj', 'down_proj'], theta = 1e4 } = traits;
  const [epsKey, epsDefault] = traits.eps ?? ['rms_norm_eps', 1e-6];
  const eps = numberOf(config, epsKey, epsDefault);
  const hidden = numberOf(config, 'hidden_size', 0);
  const heads = numberOf(config, 'num_attention_heads', 0);
  const kvHeads = numberOf(config, 'num_key_value_heads', heads);
  const headDim =
    config['model_type'] === 'cohere2'
      ? hidden / heads
      : numberOf(config, 'head_dim', traits.headDim ?? hidden / heads);
  const act = activations[String(config['hidden_act'] ?? traits.activation ?? 'silu')]!;
  const residual = numberOf(config, 'residual_multiplier', 1);

  const normNamed = (x: Matrix, name: string): Matrix => {
    const gain = get(`${name}.weight`);
    if (kind === 'rms') return rmsNorm(x, gain, eps);
    const shift = weights.get(`${name}.bias`) ?? new Float64Array(gain.length);
    return layerNorm(x, kind === 'layer1p' ? gain.map((v) => v + 1) : gain, shift, eps);
  };
  const project = (x: Matrix, name: string): Matrix =>
    linear(x, get(`${name}.weight`), weights.get(`${name}.bias`));
  const scaled = (x: Matrix, factor: number): Matrix => (factor === 1 ? x : mapRows(x, (v) => v * factor));

  const table = get('model.embed_tokens.weight');
  let x = scaled(embed(table, hidden, tokens), numberOf(config, 'embedding_multiplier', 1));
  for (let l = 0; l < numberOf(config, 'num_hidden_layers', 0); l++) {
    const layer = `model.layers.${l}`;
    const attn = `${layer}.self_attn`;
    const normed = (rows: Matrix, place: number): Matrix =>
      norms[place] ? normNamed(rows, `${layer}.${norms[place]}`) : rows;
    const { window, rotates } = layerOf(config, traits, l);
    const rope = ropeOf(config, window);
    const partial = numberOf(
      rope,
      'partial_rotary_factor',
      numberOf(config, 'partial_rotary_factor', traits.partial ?? 1),
    );
    const rotation = rotationOf(rope, config, {
      width: Math.trunc(headDim * partial),
      length: tokens.length,
      theta,
    });
    const place = (rows: Matrix): Matrix =>
      rotates ? turn(rows, headDim, { ...rotation, interleaved: traits.interleaved ?? false }) : rows;
    const y = normed(x, 0);
    const queryOrKey = (which: 0 | 1): Matrix => {
      const rows = project(y, `${attn}.${'qk'[which]!}_proj`);
      const { queryNorm } = traits;
      if (!queryNorm) return place(rows);
      const gain = get(`${attn}.${queryNorm.names[which]}.weight`);
      const over = (all: Matrix): Matrix =>
        queryNorm.all ? rmsNorm(all, gain, eps) : normHeads(all, headDim, (h) => rmsNorm(h, gain, eps));
      return queryNorm.after ? over(place(rows)) : place(over(rows));
    };
    const beta = Number(rope['llama_4_scaling_beta'] ?? 0);
    const original = numberOf(rope, 'original_max_position_embeddings', 1);
    const q = queryOrKey(0).map((row, t) =>
      row.map((v) => v * (1 + beta * Math.log(1 + Math.floor(t / original)))),
    );
    const multiplier = numberOf(
      config,
      'attention_multiplier',
      config['model_type'] === 'granite' ? 1 : headDim ** -0.5,
    );
    const attended = attention(q, queryOrKey(1), project(y, `${attn}.v_proj`), {
      heads,
      kvHeads,
      headDim,
      window,
      score: (dot) => dot * multiplier,
    });
    const middle = add(x, scaled(normed(project(attended, `${attn}.${output}`), 1), residual));
    const z = parallel ? y : normed(middle, 2);
    if (traits.experts) {
      x = add(middle, scaled(mixtureOfExperts(config, get, layer, z, act), residual));
      continue;
    }
    const names = mlp.map((name) => `${layer}.mlp.${name}`);
    let inner: Matrix;
    if (mlp.length === 3) inner = gate(project(z, names[0]!), project(z, names[1]!), act);
    else if (mlp[0] === 'fused') {
      const both = project(z, `${layer}.mlp.gate_up_proj`);
      const half = both[0]!.length / 2;
      inner = gate(
        both.map((row) => row.slice(0, half)),
        both.map((row) => row.slice(half)),
        act,
      );
    } else inner = mapRows(project(z, names[0]!), act);
    x = add(middle, scaled(normed(project(inner, names.at(-1)!), 3), residual));
  }
  const last = normNamed(x, `model.${traits.lastNorm ?? 'norm'}`);
  const tied = config['tie_word_embeddings'] ?? traits.tied ?? false;
  const logits = linear(last, tied === true ? table : get('lm_head.weight'), weights.get('lm_head.bias'));
  const logitScale = config['model_type'] === 'granite' ? 1 / numberOf(config, 'logits_scaling', 1) : 1;
  const cohereScale = String(config['model_type']).startsWith('cohere')
    ? numberOf(config, 'logit_scale', 0.0625)
    : 1;
  return flatten(logits).map((v) => v * logitScale * cohereScale);
};
