/** @file Phi-3 in float64, from modeling_phi3.py. */
import {
  activations,
  attend,
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

export function phi3Logits(config: Config, weights: Weights, tokens: readonly number[]): Float64Array {
  const get = reader(weights);
  const width = number(config, 'hidden_size', 0);
  const heads = number(config, 'num_attention_heads', 0);
  const shared = number(config, 'num_key_value_heads', heads);
  const head = number(config, 'head_dim', width / heads);
  const inner = number(config, 'intermediate_size', 0);
  const eps = number(config, 'rms_norm_eps', 1e-5);
  const act = activations[String(config['hidden_act'] ?? 'silu')]!;
  const table = get('model.embed_tokens.weight');
  const rope = { ...(config['rope_parameters'] as Config | undefined) };
  const share = Number(rope['partial_rotary_factor'] ?? config['partial_rotary_factor'] ?? 1);
  const angles = frequencies(config, Math.trunc(head * share));
  const window = number(config, 'sliding_window', Infinity);
  const linear = (x: Matrix, name: string): Matrix => project(x, get(`${name}.weight`), undefined);
  const norm = (x: Matrix, name: string): Matrix => rmsNorm(x, get(`${name}.weight`), eps);
  let x = rows(table, width, tokens);
  for (let layer = 0; layer < number(config, 'num_hidden_layers', 0); layer++) {
    const at = `model.layers.${layer}`;
    const qkv = linear(norm(x, `${at}.input_layernorm`), `${at}.self_attn.qkv_proj`);
    const keys = heads * head;
    const values = keys + shared * head;
    const part = (from: number, to?: number): Matrix => qkv.map((row) => row.slice(from, to));
    x = zip(
      x,
      linear(
        attend(
          turned(part(0, keys), head, angles),
          turned(part(keys, values), head, angles),
          part(values),
          heads,
          shared,
          head,
          window,
        ),
        `${at}.self_attn.o_proj`,
      ),
    );
    const both = linear(norm(x, `${at}.post_attention_layernorm`), `${at}.mlp.gate_up_proj`);
    x = zip(
      x,
      linear(
        both.map((row) => row.slice(0, inner).map((g, j) => act(g) * row[inner + j]!)),
        `${at}.mlp.down_proj`,
      ),
    );
  }
  return flat(
    project(
      norm(x, 'model.norm'),
      config['tie_word_embeddings'] === true ? table : get('lm_head.weight'),
      undefined,
    ),
  );
}
