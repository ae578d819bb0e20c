/** @file BLOOM, MPT and Falcon in float64, from modeling_bloom.py, modeling_mpt.py and modeling_falcon.py. */
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
  type Forward,
  type Matrix,
} from './layers.ts';

/** The slope of each head, as build_mpt_alibi_tensor computes it: 1 / 2^(8i/n) of the power of two above. */
function slopesOf(heads: number): number[] {
  const power = 2 ** Math.ceil(Math.log2(heads));
  const slopes = Array.from({ length: power }, (_, i) => 1 / 2 ** ((i + 1) * (8 / power)));
  if (power === heads) return slopes;
  const [odd, even] = [1, 0].map((rest) => slopes.filter((_, i) => i % 2 === rest)) as [number[], number[]];
  return [...odd, ...even].slice(0, heads);
}

/** x with 8 significant bits, halves to even. */
function toBfloat16(x: number): number {
  if (x === 0) return 0;
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(x))) - 7);
  const n = x / unit;
  const floor = Math.floor(n);
  const isUp = n - floor > 0.5 || (n - floor === 0.5 && floor % 2 === 1);
  return (isUp ? floor + 1 : floor) * unit;
}

/** The weights of a block by what they do. */
interface Names {
  readonly embed: string;
  readonly layer: string;
  readonly norms: readonly [string, string];
  readonly fused: string;
  readonly output: string;
  readonly up: string;
  readonly down: string;
  readonly last: string;
}
const bloomNames: Names = {
  embed: 'word_embeddings',
  layer: 'h',
  norms: ['input_layernorm', 'post_attention_layernorm'],
  fused: 'self_attention.query_key_value',
  output: 'self_attention.dense',
  up: 'mlp.dense_h_to_4h',
  down: 'mlp.dense_4h_to_h',
  last: 'ln_f',
};
const mptNames: Names = {
  embed: 'wte',
  layer: 'blocks',
  norms: ['norm_1', 'norm_2'],
  fused: 'attn.Wqkv',
  output: 'attn.out_proj',
  up: 'ffn.up_proj',
  down: 'ffn.down_proj',
  last: 'norm_f',
};

/** The first row of each head of q, k and v in the fused weight, and the number of key heads. */
function partsOf(config: Config, row: Float64Array, heads: number, width: number): readonly Float64Array[] {
  const type = config['model_type'];
  const multiQuery = type === 'falcon' && config['multi_query'] !== false;
  if (type === 'mpt' || multiQuery) {
    const keys = multiQuery ? width : heads * width;
    return [
      row.slice(0, heads * width),
      row.slice(heads * width, heads * width + keys),
      row.slice(heads * width + keys),
    ];
  }
  return [0, 1, 2].map((part) =>
    Float64Array.from({ length: heads * width }, (_, i) => {
      const head = Math.floor(i / width);
      return row[(head * 3 + part) * width + (i % width)]!;
    }),
  );
}

export const alibiLogits: Forward = (config, weights, tokens) => {
  const get = weightReader(weights);
  const type = config['model_type'];
  const isFalcon = type === 'falcon';
  const names = type === 'mpt' ? mptNames : bloomNames;
  const hidden = numberOf(config, type === 'mpt' ? 'd_model' : 'hidden_size', 0);
  const heads = numberOf(
    config,
    { bloom: 'n_head', mpt: 'n_heads' }[String(type)] ?? 'num_attention_heads',
    0,
  );
  const layers = numberOf(
    config,
    { bloom: 'n_layer', mpt: 'n_layers' }[String(type)] ?? 'num_hidden_layers',
    0,
  );
  const width = hidden / heads;
  const hasAlibi = !isFalcon || config['alibi'] === true;
  const parallel = isFalcon && config['parallel_attn'] !== false;
  const eps = numberOf(config, 'layer_norm_epsilon', 1e-5);
  const act = activations[type === 'bloom' ? 'gelu_new' : 'gelu']!;
  const slopes = slopesOf(heads);
  const norm = (x: Matrix, name: string): Matrix => {
    const gain = get(`${name}.weight`);
    return layerNorm(x, gain, weights.get(`${name}.bias`) ?? new Float64Array(gain.length), eps);
  };
  const project = (x: Matrix, name: string): Matrix =>
    linear(x, get(`${name}.weight`), weights.get(`${name}.bias`));
  const score = (dot: number, head: number, position: number): number => {
    if (!hasAlibi) return dot / Math.sqrt(width);
    if (!isFalcon) return dot / Math.sqrt(width) + slopes[head]! * position;
    return (dot + toBfloat16(toBfloat16(slopes[head]!) * position)) / Math.sqrt(width);
  };
  const place = (x: Matrix): Matrix => (hasAlibi ? x : rotate(x, width, ropeFrequencies(config, width)));

  const table = get(`${names.embed}.weight`);
  let x = embed(table, hidden, tokens);
  if (type === 'bloom') x = norm(x, 'word_embeddings_layernorm');
  for (let l = 0; l < layers; l++) {
    const layer = `${names.layer}.${l}`;
    const y = norm(x, `${layer}.${names.norms[0]}`);
    const rows = project(y, `${layer}.${names.fused}`).map((row) => partsOf(config, row, heads, width));
    const [q, k, v] = ([0, 1, 2] as const).map((part) => rows.map((row) => row[part]!));
    const kvHeads = k![0]!.length / width;
    const attended = attention(place(q!), place(k!), v!, { heads, kvHeads, headDim: width, score });
    const middle = add(x, project(attended, `${layer}.${names.output}`));
    const z = parallel ? y : norm(middle, `${layer}.${names.norms[1]}`);
    const inner = mapRows(project(z, `${layer}.${names.up}`), act);
    x = add(middle, project(inner, `${layer}.${names.down}`));
  }
  const last = norm(x, names.last);
  return flatten(linear(last, config['tie_word_embeddings'] === false ? get('lm_head.weight') : table));
};
