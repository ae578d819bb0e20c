/**
 * @file The forward pass that Llama and its variants share: pre-norm layers with rotary positions, grouped-query
 * attention and a gated MLP.
 */
import type { Value } from '../../graph/graph.ts';
import { activate } from '../activations.ts';
import { windowOf } from '../attention.ts';
import type { ModelBuilder } from '../builder-types.ts';
import type { SizeField } from '../family.ts';
import { add, mul, type NamedValue } from '../named-value.ts';

/**
 * The sizes of grouped-query heads. If config.json lacks num_key_value_heads, there are `defaultKvHeads`, or
 * as many as query heads.
 */
export const groupedHeads = (defaultKvHeads?: number): Readonly<Record<'kv_heads' | 'group', SizeField>> => ({
  kv_heads: {
    keys: ['num_key_value_heads'],
    read: (config) => {
      const stored = config['num_key_value_heads'];
      return (stored === undefined ? defaultKvHeads : stored) ?? config['num_attention_heads'];
    },
    write: (dims) => ({ num_key_value_heads: dims['kv_heads']! }),
  },
  group: {
    keys: ['num_attention_heads'],
    read: (config, dims) => {
      const heads = config['num_attention_heads'];
      return typeof heads === 'number' ? heads / dims['kv_heads']! : undefined;
    },
    write: (dims) => ({ num_attention_heads: dims['kv_heads']! * dims['group']! }),
  },
});

export interface GatedDecoderOptions {
  /** Applied to queries and keys before rotation; `name` is `model.layers.0.self_attn.q` or `….k`. */
  readonly beforeRotary?: (x: NamedValue, name: string) => NamedValue;
  /** Replaces the MLP of a layer, named `model.layers.0`. */
  readonly feedForward?: (x: NamedValue, layer: string) => NamedValue;
}

/** The output of the last norm, [batch, seq, hidden]. */
export function gatedDecoder(
  m: ModelBuilder,
  tokens: Value,
  {
    beforeRotary = (x) => x,
    feedForward = (x, layer) => gatedMlp(m, x, `${layer}.mlp`),
  }: GatedDecoderOptions = {},
): NamedValue {
  const scale = m.dims['head_dim']! ** -0.5;
  let x = m.embed('model.embed_tokens', tokens);
  for (let l = 0; l < m.dims['layers']!; l++) {
    const layer = `model.layers.${l}`;
    const attn = `${layer}.self_attn`;
    const y = m.norm(x, `${layer}.input_layernorm`);
    const q = m.rotary(beforeRotary(m.linear(y, `${attn}.q_proj`), `${attn}.q`));
    const k = m.rotary(beforeRotary(m.linear(y, `${attn}.k_proj`), `${attn}.k`));
    const v = m.linear(y, `${attn}.v_proj`);
    const attended = m.attention(q, k, v, scale, { window: windowOf(m.settings, l) });
    x = add(x, m.linear(attended, `${attn}.o_proj`));
    x = add(x, feedForward(m.norm(x, `${layer}.post_attention_layernorm`), layer));
  }
  return m.norm(x, 'model.norm');
}

/** The names of the three linear layers of a gated MLP. */
export interface MlpNames {
  readonly gate: string;
  readonly up: string;
  readonly down: string;
}

const llamaMlp: MlpNames = { gate: 'gate_proj', up: 'up_proj', down: 'down_proj' };

/** down(act(gate x) * up x); `mlp` is the prefix of the names. */
export function gatedMlp(m: ModelBuilder, x: NamedValue, mlp: string, names = llamaMlp): NamedValue {
  const gate = activate(m.linear(x, `${mlp}.${names.gate}`), String(m.settings['activation']));
  const up = m.linear(x, `${mlp}.${names.up}`);
  return m.linear(mul(gate, up), `${mlp}.${names.down}`);
}
