/** @file GPT-2 in float64, from modeling_gpt2.py. */
import {
  activations,
  add,
  attention,
  conv1d,
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

export function gpt2Logits(config: Config, weights: Weights, tokens: readonly number[]): Float64Array {
  const get = weightReader(weights);
  const hidden = numberOf(config, 'n_embd', 768);
  const heads = numberOf(config, 'n_head', 12);
  const eps = numberOf(config, 'layer_norm_epsilon', 1e-5);
  const act = activations[String(config['activation_function'] ?? 'gelu_new')]!;
  const norm = (x: Matrix, name: string): Matrix =>
    layerNorm(x, get(`${name}.weight`), get(`${name}.bias`), eps);
  const project = (x: Matrix, name: string): Matrix => conv1d(x, get(`${name}.weight`), get(`${name}.bias`));
  const wte = get('wte.weight');
  const wpe = get('wpe.weight');

  let x: Matrix = tokens.map((token, t) =>
    Float64Array.from({ length: hidden }, (_, i) => wte[token * hidden + i]! + wpe[t * hidden + i]!),
  );
  for (let l = 0; l < numberOf(config, 'n_layer', 12); l++) {
    const layer = `h.${l}`;
    const qkv = project(norm(x, `${layer}.ln_1`), `${layer}.attn.c_attn`);
    const [q, k, v] = [0, 1, 2].map((i) => qkv.map((row) => row.slice(i * hidden, (i + 1) * hidden)));
    const attended = attention(q!, k!, v!, { heads, kvHeads: heads, headDim: hidden / heads });
    x = add(x, project(attended, `${layer}.attn.c_proj`));
    const inner = mapRows(project(norm(x, `${layer}.ln_2`), `${layer}.mlp.c_fc`), act);
    x = add(x, project(inner, `${layer}.mlp.c_proj`));
  }
  const tied = config['tie_word_embeddings'] !== false;
  return flatten(linear(norm(x, 'ln_f'), tied ? wte : get('lm_head.weight')));
}
