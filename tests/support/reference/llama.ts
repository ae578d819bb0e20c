/**
 * @file Llama, Mistral, Qwen 2 and Qwen 3 in float64, from modeling_llama.py, modeling_mistral.py,
 * modeling_qwen2.py and modeling_qwen3.py; and those of their kin that have experts.
 */
import { experts } from './experts.ts';
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

/** How far layer `layer` sees. */
function windowOf(config: Config, layer: number): number {
  const size = config['sliding_window'] === null ? Infinity : number(config, 'sliding_window', 4096);
  if (config['model_type'] === 'mistral') return size;
  if (config['model_type'] === 'mixtral') return number(config, 'sliding_window', Infinity);
  if (config['model_type'] === 'qwen3_moe') return config['use_sliding_window'] === true ? size : Infinity;
  if (config['model_type'] === 'llama' || config['use_sliding_window'] !== true) return Infinity;
  const types = config['layer_types'] as readonly string[] | undefined;
  const last = number(config, 'max_window_layers', 28);
  const slides = types
    ? types[layer] === 'sliding_attention'
    : config['model_type'] === 'qwen2_moe'
      ? layer % 2 === 0 && layer < last
      : layer >= last;
  return slides ? size : Infinity;
}

export function llamaLogits(config: Config, weights: Weights, tokens: readonly number[]): Float64Array {
  const get = reader(weights);
  const { model_type: model } = config;
  const type = String(model).replace(/_moe$/, '').replace('mixtral', 'mistral');
  const sparse = model !== type;
  const width = number(config, 'hidden_size', 0);
  const heads = number(config, 'num_attention_heads', 0);
  const shared = number(config, 'num_key_value_heads', heads);
  const head = number(config, 'head_dim', model === 'qwen3' ? 128 : width / heads);
  const eps = number(config, 'rms_norm_eps', model === 'mixtral' ? 1e-5 : 1e-6);
  const act = activations[String(config['hidden_act'] ?? 'silu')]!;
  const linear = (x: Matrix, name: string, biased: unknown): Matrix =>
    project(x, get(`${name}.weight`), biased === true ? get(`${name}.bias`) : undefined);
  const angles = frequencies(config, head);
  const table = get('model.embed_tokens.weight');
  const qkvBias = type === 'qwen2' || (type !== 'mistral' && config['attention_bias'] === true);
  const outBias = type !== 'qwen2' && qkvBias;
  const mlpBias = type === 'llama' && config['mlp_bias'];
  let x = rows(table, width, tokens);
  for (let layer = 0; layer < number(config, 'num_hidden_layers', 0); layer++) {
    const at = `model.layers.${layer}`;
    const y = rmsNorm(x, get(`${at}.input_layernorm.weight`), eps);
    const [q, k] = ['q', 'k'].map((name) => {
      const asked = linear(y, `${at}.self_attn.${name}_proj`, qkvBias);
      return turned(
        type === 'qwen3'
          ? each(asked, head, (parts) => rmsNorm(parts, get(`${at}.self_attn.${name}_norm.weight`), eps))
          : asked,
        head,
        angles,
      );
    }) as [Matrix, Matrix];
    x = zip(
      x,
      linear(
        attend(
          q,
          k,
          linear(y, `${at}.self_attn.v_proj`, qkvBias),
          heads,
          shared,
          head,
          windowOf(config, layer),
        ),
        `${at}.self_attn.o_proj`,
        outBias,
      ),
    );
    const z = rmsNorm(x, get(`${at}.post_attention_layernorm.weight`), eps);
    if (sparse) {
      x = zip(x, experts(config, get, at, z, act));
      continue;
    }
    const up = linear(z, `${at}.mlp.up_proj`, mlpBias);
    const gated = linear(z, `${at}.mlp.gate_proj`, mlpBias).map((row, i) =>
      row.map((g, j) => act(g) * up[i]![j]!),
    );
    x = zip(x, linear(gated, `${at}.mlp.down_proj`, mlpBias));
  }
  const last = rmsNorm(x, get('model.norm.weight'), eps);
  return flat(
    project(last, config['tie_word_embeddings'] === true ? table : get('lm_head.weight'), undefined),
  );
}
