/**
 * @file The forward pass that Llama and its variants share: pre-norm layers with rotary positions, grouped-query
 * attention and a gated MLP.
 */
import { refuse } from '../../base/errors.ts';
import type { Json, JsonObject } from '../../base/json.ts';
import type { Value } from '../../graph/graph.ts';
import { activate } from '../activations.ts';
import { windowOf } from '../attention.ts';
import type { ModelBuilder } from '../builder-types.ts';
import { size } from '../config-fields.ts';
import type { ModelFamily, SizeField } from '../family.ts';
import { add, mul, type NamedValue } from '../named-value.ts';

/** The default sizes of a config class in transformers. */
export interface GatedDefaults {
  readonly vocab: number;
  readonly hidden: number;
  readonly ffn: number;
  readonly layers: number;
  readonly heads: number;
  /** Default: as many as query heads. */
  readonly kvHeads?: number;
  /** Whether null means as many KV heads as query heads. Default: only if there is no default. */
  readonly kvHeadsMayBeNull?: boolean;
}

/** The sizes of the families that use `gatedDecoder`. */
export const gatedDims = (defaults: GatedDefaults): ModelFamily['dims'] => ({
  vocab: size('vocab_size', { default: defaults.vocab }),
  hidden: size('hidden_size', { default: defaults.hidden }),
  ...groupedHeads(defaults),
  head_dim: size('head_dim', {
    fallback: ({ hidden, kv_heads, group }) => Math.floor(hidden! / (kv_heads! * group!)),
  }),
  ffn: size('intermediate_size', { default: defaults.ffn }),
  layers: size('num_hidden_layers', { default: defaults.layers }),
});

const kvHeadsKey = 'num_key_value_heads';
const headsKey = 'num_attention_heads';

/** The sizes of grouped-query heads. */
export const groupedHeads = ({
  heads: defaultHeads,
  kvHeads,
  kvHeadsMayBeNull = kvHeads === undefined,
}: Pick<GatedDefaults, 'heads' | 'kvHeads' | 'kvHeadsMayBeNull'>): Readonly<
  Record<'kv_heads' | 'group', SizeField>
> => {
  const headsOf = (config: JsonObject): Json | undefined =>
    headsKey in config ? config[headsKey] : defaultHeads;
  return {
    kv_heads: {
      keys: [kvHeadsKey],
      ...(kvHeads === undefined ? {} : { default: kvHeads }),
      read(config) {
        if (!(kvHeadsKey in config)) return kvHeads ?? headsOf(config);
        const stored = config[kvHeadsKey];
        return stored === null && kvHeadsMayBeNull ? headsOf(config) : stored;
      },
      write: (dims) => ({ [kvHeadsKey]: dims['kv_heads']! }),
    },
    group: {
      keys: [headsKey],
      default: defaultHeads,
      read(config, dims) {
        const heads = headsOf(config);
        const kvHeads = dims['kv_heads']!;
        if (typeof heads === 'number' && heads % kvHeads !== 0)
          refuse('checkpoint/bad-config', {
            path: 'config.json',
            key: headsKey,
            why: `is ${heads}, which is not a multiple of the ${kvHeads} key/value heads`,
          });
        return typeof heads === 'number' ? heads / kvHeads : heads;
      },
      write: (dims) => ({ [headsKey]: dims['kv_heads']! * dims['group']! }),
    },
  };
};

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
