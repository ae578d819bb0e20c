/** @file GPT-NeoX in float64, from modeling_gpt_neox.py. */
import {
  activations,
  attend,
  flat,
  frequencies,
  layerNorm,
  number,
  project,
  reader,
  rows,
  turned,
  zip,
  type Config,
  type Matrix,
  type Weights,
} from './parts.ts';

export function gptNeoxLogits(config: Config, weights: Weights, tokens: readonly number[]): Float64Array {
  const get = reader(weights);
  const width = number(config, 'hidden_size', 0);
  const heads = number(config, 'num_attention_heads', 0);
  const head = width / heads;
  const eps = number(config, 'layer_norm_eps', 1e-5);
  const act = activations[String(config['hidden_act'] ?? 'gelu')]!;
  const biased = config['attention_bias'] !== false;
  const rope = { ...(config['rope_parameters'] as Config | null) };
  const share = Number(rope['partial_rotary_factor'] ?? config['rotary_pct'] ?? 0.25);
  const angles = frequencies({ ...config, rope_theta: config['rotary_emb_base'] }, Math.trunc(head * share));
  const norm = (x: Matrix, name: string): Matrix =>
    layerNorm(x, get(`${name}.weight`), get(`${name}.bias`), eps);
  const linear = (x: Matrix, name: string, bias = true): Matrix =>
    project(x, get(`${name}.weight`), bias ? get(`${name}.bias`) : undefined);
  let x = rows(get('embed_in.weight'), width, tokens);
  for (let layer = 0; layer < number(config, 'num_hidden_layers', 0); layer++) {
    const at = `layers.${layer}`;
    const fused = linear(norm(x, `${at}.input_layernorm`), `${at}.attention.query_key_value`, biased);
    const part = (p: number): Matrix =>
      fused.map((row) =>
        Float64Array.from(
          { length: width },
          (_, i) => row[Math.floor(i / head) * 3 * head + p * head + (i % head)]!,
        ),
      );
    const said = linear(
      attend(turned(part(0), head, angles), turned(part(1), head, angles), part(2), heads, heads, head),
      `${at}.attention.dense`,
      biased,
    );
    const mlp = (y: Matrix): Matrix =>
      linear(
        linear(norm(y, `${at}.post_attention_layernorm`), `${at}.mlp.dense_h_to_4h`).map((row) =>
          row.map(act),
        ),
        `${at}.mlp.dense_4h_to_h`,
      );
    x =
      config['use_parallel_residual'] === false
        ? zip(zip(x, said), mlp(zip(x, said)))
        : zip(zip(x, said), mlp(x));
  }
  return flat(
    project(
      norm(x, 'final_layer_norm'),
      get(config['tie_word_embeddings'] === true ? 'embed_in.weight' : 'embed_out.weight'),
      undefined,
    ),
  );
}
