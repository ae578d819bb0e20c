/** @file Phi-3 in float64, from modeling_phi3.py. */
import {
  activations,
  add,
  attention,
  embed,
  flatten,
  linear,
  numberOf,
  rmsNorm,
  weightReader,
  type Config,
  type Matrix,
  type Weights,
} from './layers.ts';
import { rotationOf, turn } from './rope.ts';

export function phi3Logits(config: Config, weights: Weights, tokens: readonly number[]): Float64Array {
  const get = weightReader(weights);
  const hidden = numberOf(config, 'hidden_size', 0);
  const heads = numberOf(config, 'num_attention_heads', 0);
  const kvHeads = numberOf(config, 'num_key_value_heads', heads);
  const headDim = numberOf(config, 'head_dim', hidden / heads);
  const ffn = numberOf(config, 'intermediate_size', 0);
  const eps = numberOf(config, 'rms_norm_eps', 1e-5);
  const act = activations[String(config['hidden_act'] ?? 'silu')]!;
  const table = get('model.embed_tokens.weight');
  const rope = { ...(config['rope_parameters'] as Config | undefined) };
  const rotaryFactor = Number(rope['partial_rotary_factor'] ?? config['partial_rotary_factor'] ?? 1);
  const width = Math.trunc(headDim * rotaryFactor);
  const rotation = rotationOf(rope, config, { width, length: tokens.length, theta: 1e4 });
  const window = numberOf(config, 'sliding_window', Infinity);
  const project = (x: Matrix, name: string): Matrix => linear(x, get(`${name}.weight`));
  const norm = (x: Matrix, name: string): Matrix => rmsNorm(x, get(`${name}.weight`), eps);

  let x = embed(table, hidden, tokens);
  for (let l = 0; l < numberOf(config, 'num_hidden_layers', 0); l++) {
    const layer = `model.layers.${l}`;
    const qkv = project(norm(x, `${layer}.input_layernorm`), `${layer}.self_attn.qkv_proj`);
    const keyStart = heads * headDim;
    const valueStart = keyStart + kvHeads * headDim;
    const q = turn(columns(qkv, 0, keyStart), headDim, rotation);
    const k = turn(columns(qkv, keyStart, valueStart), headDim, rotation);
    const attended = attention(q, k, columns(qkv, valueStart), { heads, kvHeads, headDim, window });
    x = add(x, project(attended, `${layer}.self_attn.o_proj`));
    const gateUp = project(norm(x, `${layer}.post_attention_layernorm`), `${layer}.mlp.gate_up_proj`);
    const inner = gateUp.map((row) => row.slice(0, ffn).map((g, j) => act(g) * row[ffn + j]!));
    x = add(x, project(inner, `${layer}.mlp.down_proj`));
  }
  const tied = config['tie_word_embeddings'] === true;
  return flatten(linear(norm(x, 'model.norm'), tied ? table : get('lm_head.weight')));
}

const columns = (x: Matrix, from: number, to?: number): Matrix => x.map((row) => row.slice(from, to));
