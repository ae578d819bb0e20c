/** @file OPT in float64, from modeling_opt.py. */
import {
  activations,
  add,
  attention,
  embed,
  flatten,
  layerNorm,
  linear,
  mapRows,
  numberOf,
  weightReader,
  type Config,
  type Matrix,
  type Weights,
} from './layers.ts';

export function optLogits(config: Config, weights: Weights, tokens: readonly number[]): Float64Array {
  const get = weightReader(weights);
  const hidden = numberOf(config, 'hidden_size', 0);
  const heads = numberOf(config, 'num_attention_heads', 0);
  const embedWidth = numberOf(config, 'word_embed_proj_dim', hidden);
  const isPreNorm = config['do_layer_norm_before'] !== false;
  const act = activations[String(config['activation_function'] ?? 'relu')]!;
  const norm = (x: Matrix, name: string): Matrix =>
    layerNorm(x, get(`${name}.weight`), get(`${name}.bias`), 1e-5);
  const project = (x: Matrix, name: string): Matrix =>
    linear(x, get(`${name}.weight`), config['enable_bias'] === false ? undefined : get(`${name}.bias`));

  const words = embed(get('embed_tokens.weight'), embedWidth, tokens);
  const positions = tokens.map((_, t) => t + 2);
  const embedded = embedWidth === hidden ? words : linear(words, get('project_in.weight'));
  let x = add(embedded, embed(get('embed_positions.weight'), hidden, positions));
  for (let l = 0; l < numberOf(config, 'num_hidden_layers', 0); l++) {
    const layer = `layers.${l}`;
    const attn = `${layer}.self_attn`;
    const y = isPreNorm ? norm(x, `${layer}.self_attn_layer_norm`) : x;
    const [q, k, v] = ['q', 'k', 'v'].map((name) => project(y, `${attn}.${name}_proj`));
    const attended = attention(q!, k!, v!, { heads, kvHeads: heads, headDim: hidden / heads });
    x = add(x, project(attended, `${attn}.out_proj`));
    if (!isPreNorm) x = norm(x, `${layer}.self_attn_layer_norm`);
    const z = isPreNorm ? norm(x, `${layer}.final_layer_norm`) : x;
    x = add(x, project(mapRows(project(z, `${layer}.fc1`), act), `${layer}.fc2`));
    if (!isPreNorm) x = norm(x, `${layer}.final_layer_norm`);
  }
  if (isPreNorm) x = norm(x, 'final_layer_norm');
  if (embedWidth !== hidden) x = linear(x, get('project_out.weight'));
  const tied = config['tie_word_embeddings'] !== false;
  return flatten(linear(x, get(tied ? 'embed_tokens.weight' : 'lm_head.weight')));
}
