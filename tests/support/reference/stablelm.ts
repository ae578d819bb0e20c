/** @file StableLM in float64, from modeling_stablelm.py. */
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

export function stablelmLogits(config: Config, weights: Weights, tokens: readonly number[]): Float64Array {
  const get = reader(weights);
  const width = number(config, 'hidden_size', 0);
  const heads = number(config, 'num_attention_heads', 0);
  const shared = number(config, 'num_key_value_heads', 32);
  const head = width / heads;
  const eps = number(config, 'layer_norm_eps', 1e-5);
  const act = activations[String(config['hidden_act'] ?? 'silu')]!;
  const biased = config['use_qkv_bias'] === true;
  const rope = { ...(config['rope_parameters'] as Config | null) };
  const share = Number(rope['partial_rotary_factor'] ?? config['partial_rotary_factor'] ?? 0.25);
  const angles = frequencies(config, Math.trunc(head * share));
  const norm = (x: Matrix, name: string): Matrix =>
    layerNorm(x, get(`${name}.weight`), get(`${name}.bias`), eps);
  const plain = (x: Matrix, name: string): Matrix => project(x, get(`${name}.weight`), undefined);
  const mlp = (y: Matrix, at: string): Matrix => {
    const up = plain(y, `${at}.up_proj`);
    return plain(
      plain(y, `${at}.gate_proj`).map((row, i) => row.map((g, j) => act(g) * up[i]![j]!)),
      `${at}.down_proj`,
    );
  };
  let x = rows(get('model.embed_tokens.weight'), width, tokens);
  for (let layer = 0; layer < number(config, 'num_hidden_layers', 0); layer++) {
    const at = `model.layers.${layer}`;
    const y = norm(x, `${at}.input_layernorm`);
    const [q, k, v] = ['q', 'k', 'v'].map((name) =>
      project(
        y,
        get(`${at}.self_attn.${name}_proj.weight`),
        biased ? get(`${at}.self_attn.${name}_proj.bias`) : undefined,
      ),
    ) as [Matrix, Matrix, Matrix];
    const said = zip(
      x,
      plain(
        attend(turned(q, head, angles), turned(k, head, angles), v, heads, shared, head),
        `${at}.self_attn.o_proj`,
      ),
    );
    x = zip(
      said,
      mlp(
        config['use_parallel_residual'] === true ? y : norm(said, `${at}.post_attention_layernorm`),
        `${at}.mlp`,
      ),
    );
  }
  return flat(
    project(
      norm(x, 'model.norm'),
      get(config['tie_word_embeddings'] === true ? 'model.embed_tokens.weight' : 'lm_head.weight'),
      undefined,
    ),
  );
}
