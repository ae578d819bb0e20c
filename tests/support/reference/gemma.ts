/**
 * @file Gemma, Gemma 2 and Gemma 3 (text) in float64, from modeling_gemma.py, modeling_gemma2.py and
 * modeling_gemma3.py.
 */
import {
  activations,
  attend,
  each,
  flat,
  frequencies,
  number,
  project,
  reader,
  rmsNorm,
  rows,
  turned,
  zip,
  type Config,
  type Matrix,
  type Weights,
} from './parts.ts';

/** `x` with so many significant bits, halves to even. */
function rounded(x: number, bits: number): number {
  const unit = 2 ** (Math.floor(Math.log2(x)) - bits + 1);
  const parts = x / unit;
  const low = Math.floor(parts);
  const rest = parts - low;
  return unit * (rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low);
}
const significant: Readonly<Record<string, number>> = { float32: 24, float16: 11, bfloat16: 8 };

/** The kind of attention of each layer. */
function typesOf(config: Config): readonly string[] {
  const every = config['model_type'] === 'gemma2' ? 2 : number(config, 'sliding_window_pattern', 6);
  return (
    (config['layer_types'] as readonly string[] | undefined) ??
    Array.from({ length: Number(config['num_hidden_layers']) }, (_, i) =>
      (i + 1) % every === 0 ? 'full_attention' : 'sliding_attention',
    )
  );
}

/** A number of config.json, the default of the class, or null where it is switched off. */
const maybe = (config: Config, key: string, otherwise: number | null): number | null =>
  config[key] === undefined ? otherwise : (config[key] as number | null);

/** Radians per position in layers of this kind. */
function anglesOf(config: Config, head: number, type: string): readonly number[] {
  if (config['model_type'] !== 'gemma3_text') return frequencies(config, head);
  const own = (config['rope_parameters'] as Record<string, Config> | undefined)?.[type];
  if (own) return frequencies({ rope_parameters: own }, head);
  return type === 'full_attention'
    ? frequencies(
        { rope_theta: number(config, 'rope_theta', 1e6), rope_scaling: config['rope_scaling'] },
        head,
      )
    : frequencies({ rope_theta: number(config, 'rope_local_base_freq', 1e4) }, head);
}

export function gemmaLogits(config: Config, weights: Weights, tokens: readonly number[]): Float64Array {
  const get = reader(weights);
  const type = String(config['model_type']);
  const first = type === 'gemma';
  const third = type === 'gemma3_text';
  const width = number(config, 'hidden_size', 0);
  const heads = number(config, 'num_attention_heads', 0);
  const shared = number(config, 'num_key_value_heads', 0);
  const head = number(config, 'head_dim', 256);
  const eps = number(config, 'rms_norm_eps', 1e-6);
  const named = first ? config['hidden_act'] : config['hidden_activation'];
  const act =
    activations[
      named === undefined || named === 'gelu' || named === 'gelu_pytorch_tanh' ? 'gelu_new' : String(named)
    ]!;
  const types = typesOf(config);
  const window = maybe(config, 'sliding_window', 4096) ?? Infinity;
  const scale = (first ? head : number(config, 'query_pre_attn_scalar', 256)) ** -0.5;
  const scoreCap = type === 'gemma2' ? maybe(config, 'attn_logit_softcapping', 50) : null;
  const logitCap = first ? null : maybe(config, 'final_logit_softcapping', third ? null : 30);
  const bound = (x: number, cap: number | null): number => (cap === null ? x : Math.tanh(x / cap) * cap);
  const norm = (x: Matrix, name: string): Matrix =>
    rmsNorm(
      x,
      get(`${name}.weight`).map((w) => 1 + w),
      eps,
    );
  const linear = (x: Matrix, name: string): Matrix =>
    project(
      x,
      get(`${name}.weight`),
      config['attention_bias'] === true && name.includes('self_attn') ? get(`${name}.bias`) : undefined,
    );
  const table = get('model.embed_tokens.weight');
  const times = rounded(
    rounded(Math.sqrt(width), 24),
    significant[String(config['dtype'] ?? config['torch_dtype'] ?? 'float32')]!,
  );
  let x: Matrix = rows(table, width, tokens).map((row) => row.map((v) => v * times));
  for (let layer = 0; layer < number(config, 'num_hidden_layers', 0); layer++) {
    const at = `model.layers.${layer}`;
    const slides = !first && types[layer] === 'sliding_attention';
    const angles = anglesOf(config, head, types[layer]!);
    const y = norm(x, `${at}.input_layernorm`);
    const [q, k] = ['q', 'k'].map((name) => {
      const asked = linear(y, `${at}.self_attn.${name}_proj`);
      return turned(
        third ? each(asked, head, (parts) => norm(parts, `${at}.self_attn.${name}_norm`)) : asked,
        head,
        angles,
      );
    }) as [Matrix, Matrix];
    const heard = linear(
      attend(
        q,
        k,
        linear(y, `${at}.self_attn.v_proj`),
        heads,
        shared,
        head,
        slides ? window : Infinity,
        (dot) => bound(dot * scale, scoreCap),
      ),
      `${at}.self_attn.o_proj`,
    );
    x = zip(x, first ? heard : norm(heard, `${at}.post_attention_layernorm`));
    const z = norm(x, `${at}.${first ? 'post_attention' : 'pre_feedforward'}_layernorm`);
    const up = linear(z, `${at}.mlp.up_proj`);
    const said = linear(
      linear(z, `${at}.mlp.gate_proj`).map((row, i) => row.map((g, j) => act(g) * up[i]![j]!)),
      `${at}.mlp.down_proj`,
    );
    x = zip(x, first ? said : norm(said, `${at}.post_feedforward_layernorm`));
  }
  return flat(
    project(
      norm(x, 'model.norm'),
      config['tie_word_embeddings'] === false ? get('lm_head.weight') : table,
      undefined,
    ),
  ).map((v) => bound(v, logitCap));
}
