/** @file GPT-NeoX in float64, from modeling_gpt_neox.py. */
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
  ropeFrequencies,
  rotate,
  weightReader,
  type Config,
  type Matrix,
  type Weights,
} from './layers.ts';

export function gptNeoxLogits(config: Config, weights: Weights, tokens: readonly number[]): Float64Array {
  const get = weightReader(weights);
  const hidden = numberOf(config, 'hidden_size', 0);
  const heads = numberOf(config, 'num_attention_heads', 0);
  const headDim = hidden / heads;
  const eps = numberOf(config, 'layer_norm_eps', 1e-5);
  const act = activations[String(config['hidden_act'] ?? 'gelu')]!;
  const hasBias = config['attention_bias'] !== false;
  const isParallel = config['use_parallel_residual'] !== false;
  const rope = { ...(config['rope_parameters'] as Config | null) };
  const rotaryFactor = Number(rope['partial_rotary_factor'] ?? config['rotary_pct'] ?? 0.25);
  const frequencies = ropeFrequencies(
    { ...config, rope_theta: config['rotary_emb_base'] },
    Math.trunc(headDim * rotaryFactor),
  );
  const norm = (x: Matrix, name: string): Matrix =>
    layerNorm(x, get(`${name}.weight`), get(`${name}.bias`), eps);
  const project = (x: Matrix, name: string, bias = true): Matrix =>
    linear(x, get(`${name}.weight`), bias ? get(`${name}.bias`) : undefined);

  let x = embed(get('embed_in.weight'), hidden, tokens);
  for (let l = 0; l < numberOf(config, 'num_hidden_layers', 0); l++) {
    const layer = `layers.${l}`;
    const attn = `${layer}.attention`;
    const fused = project(norm(x, `${layer}.input_layernorm`), `${attn}.query_key_value`, hasBias);
    /** Entry 0, 1 or 2 of the fused q, k, v, which are stored head by head. */
    const entry = (index: number): Matrix =>
      fused.map((row) =>
        Float64Array.from({ length: hidden }, (_, i) => {
          const head = Math.floor(i / headDim);
          return row[head * 3 * headDim + index * headDim + (i % headDim)]!;
        }),
      );
    const q = rotate(entry(0), headDim, frequencies);
    const k = rotate(entry(1), headDim, frequencies);
    const attended = attention(q, k, entry(2), { heads, kvHeads: heads, headDim });
    const residual = add(x, project(attended, `${attn}.dense`, hasBias));
    const y = norm(isParallel ? x : residual, `${layer}.post_attention_layernorm`);
    const inner = mapRows(project(y, `${layer}.mlp.dense_h_to_4h`), act);
    x = add(residual, project(inner, `${layer}.mlp.dense_4h_to_h`));
  }
  const tied = config['tie_word_embeddings'] === true;
  return flatten(linear(norm(x, 'final_layer_norm'), get(tied ? 'embed_in.weight' : 'embed_out.weight')));
}
