/**
 * @file Llama, Mistral, Mixtral, Qwen 2, Qwen 3 and the Qwen MoE models in float64, from modeling_llama.py,
 * modeling_mistral.py, modeling_mixtral.py, modeling_qwen2.py, modeling_qwen3.py, modeling_qwen2_moe.py and
 * modeling_qwen3_moe.py.
 */
import { mixtureOfExperts } from './experts.ts';
import {
  activations,
  add,
  attention,
  embed,
  flatten,
  gate,
  linear,
  normHeads,
  numberOf,
  rmsNorm,
  weightReader,
  type Config,
  type Matrix,
  type Weights,
} from './layers.ts';
import { rotationOf, turn } from './rope.ts';

/** The sliding window of a layer; Infinity if it has none. */
function windowOf(config: Config, layer: number): number {
  const type = config['model_type'];
  const window = config['sliding_window'] === null ? Infinity : numberOf(config, 'sliding_window', 4096);
  if (type === 'mistral') return window;
  if (type === 'mixtral') return numberOf(config, 'sliding_window', Infinity);
  if (type === 'llama' || config['use_sliding_window'] !== true) return Infinity;
  if (type === 'qwen3_moe') return window;
  const list = config['layer_types'] as readonly string[] | undefined;
  if (list) return list[layer] === 'sliding_attention' ? window : Infinity;
  const maxWindowLayers = numberOf(config, 'max_window_layers', 28);
  const slides = type === 'qwen2_moe' ? layer % 2 === 0 && layer < maxWindowLayers : layer >= maxWindowLayers;
  return slides ? window : Infinity;
}

/** Which linear layers have biases. */
function biasesOf(config: Config, dense: string): Readonly<Record<'qkv' | 'output' | 'mlp', boolean>> {
  const qkv = dense === 'qwen2' || (dense !== 'mistral' && config['attention_bias'] === true);
  return { qkv, output: dense !== 'qwen2' && qkv, mlp: dense === 'llama' && config['mlp_bias'] === true };
}

export function llamaLogits(config: Config, weights: Weights, tokens: readonly number[]): Float64Array {
  const get = weightReader(weights);
  const type = String(config['model_type']);
  /** The dense family that the attention of a mixture is taken from. */
  const dense = type.replace(/_moe$/, '').replace('mixtral', 'mistral');
  const hidden = numberOf(config, 'hidden_size', 0);
  const heads = numberOf(config, 'num_attention_heads', 0);
  const kvHeads = numberOf(config, 'num_key_value_heads', heads);
  const headDim = numberOf(config, 'head_dim', type === 'qwen3' ? 128 : hidden / heads);
  const eps = numberOf(config, 'rms_norm_eps', type === 'mixtral' ? 1e-5 : 1e-6);
  const act = activations[String(config['hidden_act'] ?? 'silu')]!;
  const rope = {
    ...(config['rope_scaling'] as Config | null),
    ...(config['rope_parameters'] as Config | null),
  };
  const rotation = rotationOf(rope, config, { width: headDim, length: tokens.length, theta: 1e4 });
  const biases = biasesOf(config, dense);
  const table = get('model.embed_tokens.weight');
  const norm = (x: Matrix, name: string): Matrix => rmsNorm(x, get(`${name}.weight`), eps);
  const project = (x: Matrix, name: string, bias: boolean): Matrix =>
    linear(x, get(`${name}.weight`), bias ? get(`${name}.bias`) : undefined);

  let x = embed(table, hidden, tokens);
  for (let l = 0; l < numberOf(config, 'num_hidden_layers', 0); l++) {
    const layer = `model.layers.${l}`;
    const attn = `${layer}.self_attn`;
    const mlp = `${layer}.mlp`;
    const y = norm(x, `${layer}.input_layernorm`);
    const queryOrKey = (name: 'q' | 'k'): Matrix => {
      const projected = project(y, `${attn}.${name}_proj`, biases.qkv);
      const normed =
        dense === 'qwen3'
          ? normHeads(projected, headDim, (heads) => norm(heads, `${attn}.${name}_norm`))
          : projected;
      return turn(normed, headDim, rotation);
    };
    const v = project(y, `${attn}.v_proj`, biases.qkv);
    const window = windowOf(config, l);
    const attended = attention(queryOrKey('q'), queryOrKey('k'), v, { heads, kvHeads, headDim, window });
    x = add(x, project(attended, `${attn}.o_proj`, biases.output));
    const z = norm(x, `${layer}.post_attention_layernorm`);
    if (dense === type) {
      const up = project(z, `${mlp}.up_proj`, biases.mlp);
      const inner = gate(project(z, `${mlp}.gate_proj`, biases.mlp), up, act);
      x = add(x, project(inner, `${mlp}.down_proj`, biases.mlp));
    } else x = add(x, mixtureOfExperts(config, get, layer, z, act));
  }
  const tied = config['tie_word_embeddings'] === true;
  return flatten(linear(norm(x, 'model.norm'), tied ? table : get('lm_head.weight')));
}
