/** @file GPT-2 in float64, from modeling_gpt2.py. */
import {
  activations,
  attend,
  convolve,
  fail,
  flat,
  layerNorm,
  number,
  project,
  zip,
  type Config,
  type Matrix,
  type Weights,
} from './parts.ts';

export function gpt2Logits(config: Config, weights: Weights, tokens: readonly number[]): Float64Array {
  const get = (name: string): Float64Array => weights.get(name) ?? fail(name);
  const width = number(config, 'n_embd', 768);
  const heads = number(config, 'n_head', 12);
  const eps = number(config, 'layer_norm_epsilon', 1e-5);
  const act = activations[String(config['activation_function'] ?? 'gelu_new')]!;
  const norm = (x: Matrix, name: string): Matrix =>
    layerNorm(x, get(`${name}.weight`), get(`${name}.bias`), eps);
  const wte = get('wte.weight');
  const wpe = get('wpe.weight');
  let x: Matrix = tokens.map((token, t) =>
    Float64Array.from({ length: width }, (_, i) => wte[token * width + i]! + wpe[t * width + i]!),
  );
  for (let layer = 0; layer < number(config, 'n_layer', 12); layer++) {
    const name = `h.${layer}`;
    const head = width / heads;
    const qkv = convolve(
      norm(x, `${name}.ln_1`),
      get(`${name}.attn.c_attn.weight`),
      get(`${name}.attn.c_attn.bias`),
    );
    const part = (i: number): Matrix => qkv.map((row) => row.slice(i * width, (i + 1) * width));
    x = zip(
      x,
      convolve(
        attend(part(0), part(1), part(2), heads, heads, head),
        get(`${name}.attn.c_proj.weight`),
        get(`${name}.attn.c_proj.bias`),
      ),
    );
    const inner = convolve(
      norm(x, `${name}.ln_2`),
      get(`${name}.mlp.c_fc.weight`),
      get(`${name}.mlp.c_fc.bias`),
    ).map((row) => row.map(act));
    x = zip(x, convolve(inner, get(`${name}.mlp.c_proj.weight`), get(`${name}.mlp.c_proj.bias`)));
  }
  const tied = config['tie_word_embeddings'] !== false;
  return flat(project(norm(x, 'ln_f'), tied ? wte : get('lm_head.weight'), undefined));
}
