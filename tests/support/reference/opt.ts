/** @file OPT in float64, from modeling_opt.py. */
import {
  activations,
  attend,
  flat,
  layerNorm,
  number,
  project,
  reader,
  rows,
  zip,
  type Config,
  type Matrix,
  type Weights,
} from './parts.ts';

export function optLogits(config: Config, weights: Weights, tokens: readonly number[]): Float64Array {
  const get = reader(weights);
  const width = number(config, 'hidden_size', 0);
  const heads = number(config, 'num_attention_heads', 0);
  const head = width / heads;
  const word = number(config, 'word_embed_proj_dim', width);
  const before = config['do_layer_norm_before'] !== false;
  const act = activations[String(config['activation_function'] ?? 'relu')]!;
  const norm = (x: Matrix, name: string): Matrix =>
    layerNorm(x, get(`${name}.weight`), get(`${name}.bias`), 1e-5);
  const linear = (x: Matrix, name: string): Matrix =>
    project(x, get(`${name}.weight`), config['enable_bias'] === false ? undefined : get(`${name}.bias`));
  const words = rows(get('embed_tokens.weight'), word, tokens);
  const places = rows(
    get('embed_positions.weight'),
    width,
    tokens.map((_, t) => t + 2),
  );
  let x = zip(word === width ? words : project(words, get('project_in.weight'), undefined), places);
  for (let layer = 0; layer < number(config, 'num_hidden_layers', 0); layer++) {
    const at = `layers.${layer}`;
    const y = before ? norm(x, `${at}.self_attn_layer_norm`) : x;
    const [q, k, v] = ['q', 'k', 'v'].map((name) => linear(y, `${at}.self_attn.${name}_proj`)) as [
      Matrix,
      Matrix,
      Matrix,
    ];
    x = zip(x, linear(attend(q, k, v, heads, heads, head), `${at}.self_attn.out_proj`));
    if (!before) x = norm(x, `${at}.self_attn_layer_norm`);
    const z = before ? norm(x, `${at}.final_layer_norm`) : x;
    x = zip(
      x,
      linear(
        linear(z, `${at}.fc1`).map((row) => row.map(act)),
        `${at}.fc2`,
      ),
    );
    if (!before) x = norm(x, `${at}.final_layer_norm`);
  }
  if (before) x = norm(x, 'final_layer_norm');
  if (word !== width) x = project(x, get('project_out.weight'), undefined);
  return flat(
    project(
      x,
      get(config['tie_word_embeddings'] === false ? 'lm_head.weight' : 'embed_tokens.weight'),
      undefined,
    ),
  );
}
