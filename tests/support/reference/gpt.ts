/**
 * @file GPT-J, GPT-Neo and GPT-BigCode in float64, from modeling_gptj.py, modeling_gpt_neo.py and
 * modeling_gpt_bigcode.py.
 */
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
  type Forward,
  type Matrix,
} from './layers.ts';
import { turn } from './rope.ts';

/** The value of the first key that the config has. */
const firstOf = (config: Config, keys: readonly string[], defaultValue = 0): number =>
  numberOf(config, keys.find((key) => typeof config[key] === 'number') ?? '', defaultValue);

/** Whether a layer of GPT-Neo is local. */
function isLocal(config: Config, layer: number): boolean {
  const list = config['attention_layers'] as readonly string[] | undefined;
  const patterns = config['attention_types'] as readonly (readonly [readonly string[], number])[];
  const types =
    list ?? patterns.flatMap(([pattern, times]) => Array.from({ length: times }, () => pattern).flat());
  return types[layer] === 'local';
}

export const gptLogits: Forward = (config, weights, tokens) => {
  const get = weightReader(weights);
  const type = String(config['model_type']);
  const hidden = firstOf(config, ['n_embd', 'hidden_size']);
  const heads = firstOf(config, ['n_head', 'num_heads']);
  const layers = firstOf(config, ['n_layer', 'num_layers']);
  const kvHeads = type === 'gpt_bigcode' ? 1 : heads;
  const headDim = hidden / heads;
  const eps = numberOf(config, 'layer_norm_epsilon', 1e-5);
  const act =
    activations[
      String(config['activation_function'] ?? (type === 'gpt_bigcode' ? 'gelu_pytorch_tanh' : 'gelu_new'))
    ]!;
  const width = numberOf(config, 'rotary_dim', 64);
  const frequencies = Array.from({ length: width / 2 }, (_, i) => 10_000 ** (-(2 * i) / width));
  const norm = (x: Matrix, name: string): Matrix =>
    layerNorm(x, get(`${name}.weight`), get(`${name}.bias`), eps);
  const project = (x: Matrix, name: string): Matrix =>
    linear(x, get(`${name}.weight`), weights.get(`${name}.bias`));
  const place = (x: Matrix): Matrix =>
    type === 'gptj' ? turn(x, headDim, { frequencies, scale: 1, interleaved: true }) : x;
  const [up, down] = type === 'gptj' ? ['fc_in', 'fc_out'] : ['c_fc', 'c_proj'];

  const table = get('wte.weight');
  let x = embed(table, hidden, tokens);
  if (type !== 'gptj')
    x = add(
      x,
      embed(
        get('wpe.weight'),
        hidden,
        tokens.map((_, t) => t),
      ),
    );
  for (let l = 0; l < layers; l++) {
    const attn = type === 'gpt_neo' ? `h.${l}.attn.attention` : `h.${l}.attn`;
    const y = norm(x, `h.${l}.ln_1`);
    let parts: readonly Matrix[];
    if (type === 'gpt_bigcode') {
      const all = project(y, `${attn}.c_attn`);
      const cuts = [0, hidden, hidden + headDim, hidden + 2 * headDim];
      parts = [0, 1, 2].map((i) => all.map((row) => row.slice(cuts[i], cuts[i + 1])));
    } else parts = ['q', 'k', 'v'].map((name) => project(y, `${attn}.${name}_proj`));
    const scale = type === 'gpt_neo' ? 1 : headDim ** -0.5;
    const window = type === 'gpt_neo' && isLocal(config, l) ? numberOf(config, 'window_size', 256) : Infinity;
    const attended = attention(place(parts[0]!), place(parts[1]!), parts[2]!, {
      heads,
      kvHeads,
      headDim,
      window,
      score: (dot) => dot * scale,
    });
    const middle = add(x, project(attended, `${attn}.${type === 'gpt_bigcode' ? 'c_proj' : 'out_proj'}`));
    const z = type === 'gptj' ? y : norm(middle, `h.${l}.ln_2`);
    x = add(middle, project(mapRows(project(z, `h.${l}.mlp.${up!}`), act), `h.${l}.mlp.${down!}`));
  }
  const tied = config['tie_word_embeddings'] ?? type !== 'gptj';
  return flatten(
    linear(norm(x, 'ln_f'), tied === true ? table : get('lm_head.weight'), weights.get('lm_head.bias')),
  );
};
