/** @file OLMo and OLMo 2 in float64, from modeling_olmo.py and modeling_olmo2.py. */
import {
  activations,
  attend,
  flat,
  frequencies,
  layerNorm,
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

export function olmoLogits(config: Config, weights: Weights, tokens: readonly number[]): Float64Array {
  const get = reader(weights);
  const first = config['model_type'] === 'olmo';
  const width = number(config, 'hidden_size', 0);
  const heads = number(config, 'num_attention_heads', 0);
  const shared = number(config, 'num_key_value_heads', heads);
  const head = number(config, 'head_dim', width / heads);
  const act = activations[String(config['hidden_act'] ?? 'silu')]!;
  const angles = frequencies(config, head);
  const table = get('model.embed_tokens.weight');
  const plain = (x: Matrix): Matrix =>
    layerNorm(x, new Float64Array(width).fill(1), new Float64Array(width), 1e-5);
  const norm = (x: Matrix, name: string): Matrix =>
    rmsNorm(x, get(`${name}.weight`), number(config, 'rms_norm_eps', 1e-5));
  const before = (x: Matrix): Matrix => (first ? plain(x) : x);
  const after = (x: Matrix, name: string): Matrix => (first ? x : norm(x, name));
  const linear = (x: Matrix, name: string): Matrix =>
    project(
      x,
      get(`${name}.weight`),
      config['attention_bias'] === true && name.includes('self_attn') ? get(`${name}.bias`) : undefined,
    );
  let x = rows(table, width, tokens);
  for (let layer = 0; layer < number(config, 'num_hidden_layers', 0); layer++) {
    const at = `model.layers.${layer}`;
    const y = before(x);
    const [q, k] = ['q', 'k'].map((name) =>
      turned(after(linear(y, `${at}.self_attn.${name}_proj`), `${at}.self_attn.${name}_norm`), head, angles),
    ) as [Matrix, Matrix];
    x = zip(
      x,
      after(
        linear(
          attend(q, k, linear(y, `${at}.self_attn.v_proj`), heads, shared, head),
          `${at}.self_attn.o_proj`,
        ),
        `${at}.post_attention_layernorm`,
      ),
    );
    const z = before(x);
    const up = linear(z, `${at}.mlp.up_proj`);
    x = zip(
      x,
      after(
        linear(
          linear(z, `${at}.mlp.gate_proj`).map((row, i) => row.map((g, j) => act(g) * up[i]![j]!)),
          `${at}.mlp.down_proj`,
        ),
        `${at}.post_feedforward_layernorm`,
      ),
    );
  }
  return flat(
    project(
      first ? plain(x) : norm(x, 'model.norm'),
      config['tie_word_embeddings'] === true ? table : get('lm_head.weight'),
      undefined,
    ),
  );
}
