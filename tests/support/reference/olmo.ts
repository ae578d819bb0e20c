/** @file OLMo and OLMo 2 in float64, from modeling_olmo.py and modeling_olmo2.py. */
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
  rmsNorm,
  ropeFrequencies,
  rotate,
  weightReader,
  type Config,
  type Matrix,
  type Weights,
} from './layers.ts';

export function olmoLogits(config: Config, weights: Weights, tokens: readonly number[]): Float64Array {
  const get = weightReader(weights);
  const isOlmo1 = config['model_type'] === 'olmo';
  const hidden = numberOf(config, 'hidden_size', 0);
  const heads = numberOf(config, 'num_attention_heads', 0);
  const kvHeads = numberOf(config, 'num_key_value_heads', heads);
  const headDim = numberOf(config, 'head_dim', hidden / heads);
  const act = activations[String(config['hidden_act'] ?? 'silu')]!;
  const frequencies = ropeFrequencies(config, headDim);
  const table = get('model.embed_tokens.weight');
  const plainNorm = (x: Matrix): Matrix =>
    layerNorm(x, new Float64Array(hidden).fill(1), new Float64Array(hidden), 1e-5);
  const norm = (x: Matrix, name: string): Matrix =>
    rmsNorm(x, get(`${name}.weight`), numberOf(config, 'rms_norm_eps', 1e-5));
  /** OLMo has a norm before each branch, OLMo 2 norms on queries, keys and after each branch. */
  const preNorm = (x: Matrix): Matrix => (isOlmo1 ? plainNorm(x) : x);
  const postNorm = (x: Matrix, name: string): Matrix => (isOlmo1 ? x : norm(x, name));
  const project = (x: Matrix, name: string): Matrix => {
    const hasBias = config['attention_bias'] === true && name.includes('self_attn');
    return linear(x, get(`${name}.weight`), hasBias ? get(`${name}.bias`) : undefined);
  };

  let x = embed(table, hidden, tokens);
  for (let l = 0; l < numberOf(config, 'num_hidden_layers', 0); l++) {
    const layer = `model.layers.${l}`;
    const attn = `${layer}.self_attn`;
    const y = preNorm(x);
    const queryOrKey = (name: 'q' | 'k'): Matrix =>
      rotate(postNorm(project(y, `${attn}.${name}_proj`), `${attn}.${name}_norm`), headDim, frequencies);
    const v = project(y, `${attn}.v_proj`);
    const attended = attention(queryOrKey('q'), queryOrKey('k'), v, { heads, kvHeads, headDim });
    x = add(x, postNorm(project(attended, `${attn}.o_proj`), `${layer}.post_attention_layernorm`));
    const z = preNorm(x);
    const inner = gate(project(z, `${layer}.mlp.gate_proj`), project(z, `${layer}.mlp.up_proj`), act);
    x = add(x, postNorm(project(inner, `${layer}.mlp.down_proj`), `${layer}.post_feedforward_layernorm`));
  }
  const last = isOlmo1 ? plainNorm(x) : norm(x, 'model.norm');
  const tied = config['tie_word_embeddings'] === true;
  return flatten(linear(last, tied ? table : get('lm_head.weight')));
}
