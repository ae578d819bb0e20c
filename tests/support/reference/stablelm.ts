/** @file StableLM in float64, from modeling_stablelm.py. */
import {
  activations,
  add,
  attention,
  embed,
  flatten,
  gate,
  layerNorm,
  linear,
  numberOf,
  ropeFrequencies,
  rotate,
  weightReader,
  type Config,
  type Matrix,
  type Weights,
} from './layers.ts';

export function stablelmLogits(config: Config, weights: Weights, tokens: readonly number[]): Float64Array {
  const get = weightReader(weights);
  const hidden = numberOf(config, 'hidden_size', 0);
  const heads = numberOf(config, 'num_attention_heads', 0);
  const kvHeads = numberOf(config, 'num_key_value_heads', 32);
  const headDim = hidden / heads;
  const eps = numberOf(config, 'layer_norm_eps', 1e-5);
  const act = activations[String(config['hidden_act'] ?? 'silu')]!;
  const hasQkvBias = config['use_qkv_bias'] === true;
  const isParallel = config['use_parallel_residual'] === true;
  const rope = { ...(config['rope_parameters'] as Config | null) };
  const rotaryFactor = Number(rope['partial_rotary_factor'] ?? config['partial_rotary_factor'] ?? 0.25);
  const frequencies = ropeFrequencies(config, Math.trunc(headDim * rotaryFactor));
  const norm = (x: Matrix, name: string): Matrix =>
    layerNorm(x, get(`${name}.weight`), get(`${name}.bias`), eps);
  const project = (x: Matrix, name: string, bias = false): Matrix =>
    linear(x, get(`${name}.weight`), bias ? get(`${name}.bias`) : undefined);

  let x = embed(get('model.embed_tokens.weight'), hidden, tokens);
  for (let l = 0; l < numberOf(config, 'num_hidden_layers', 0); l++) {
    const layer = `model.layers.${l}`;
    const attn = `${layer}.self_attn`;
    const mlp = `${layer}.mlp`;
    const y = norm(x, `${layer}.input_layernorm`);
    const [q, k, v] = ['q', 'k', 'v'].map((name) => project(y, `${attn}.${name}_proj`, hasQkvBias));
    const attended = attention(rotate(q!, headDim, frequencies), rotate(k!, headDim, frequencies), v!, {
      heads,
      kvHeads,
      headDim,
    });
    const residual = add(x, project(attended, `${attn}.o_proj`));
    const z = isParallel ? y : norm(residual, `${layer}.post_attention_layernorm`);
    const inner = gate(project(z, `${mlp}.gate_proj`), project(z, `${mlp}.up_proj`), act);
    x = add(residual, project(inner, `${mlp}.down_proj`));
  }
  const tied = config['tie_word_embeddings'] === true;
  const head = get(tied ? 'model.embed_tokens.weight' : 'lm_head.weight');
  return flatten(linear(norm(x, 'model.norm'), head));
}
