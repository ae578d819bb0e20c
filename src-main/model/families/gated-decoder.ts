/**
 * @file The forward pass that Llama and its variants share: grouped-query attention, an MLP, and norms before or
 * after either. A family says the form of its blocks.
 */
import { refuse } from '../../base/errors.ts';
import type { Json, JsonObject } from '../../base/json.ts';
import type { Value } from '../../graph/graph.ts';
import * as op from '../../graph/ops/build.ts';
import { activate } from '../activations.ts';
import { windowOf } from '../attention.ts';
import type { ModelBuilder } from '../builder-types.ts';
import { size } from '../config-fields.ts';
import type { ModelFamily, SizeField } from '../family.ts';
import type { KeyBias } from '../key-bias.ts';
import { add, mapValue, mul, type NamedValue } from '../named-value.ts';

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

/** The names of the modules of a decoder. */
export interface DecoderNames {
  readonly embed: string;
  /** The list of layers. */
  readonly layers: string;
  /** The attention of a layer, and the layer in it that writes to the stream. */
  readonly attention: string;
  readonly output: string;
  readonly lastNorm: string;
}

const llamaNames: DecoderNames = {
  embed: 'model.embed_tokens',
  layers: 'model.layers',
  attention: 'self_attn',
  output: 'o_proj',
  lastNorm: 'model.norm',
};

/** The norms of a block by their names in a layer. A place without a name has no norm. */
export interface BlockNorms {
  readonly beforeAttention?: string;
  readonly afterAttention?: string;
  readonly beforeMlp?: string;
  readonly afterMlp?: string;
}

/** Pre-norm blocks, the default. */
export const preNorms: BlockNorms = {
  beforeAttention: 'input_layernorm',
  beforeMlp: 'post_attention_layernorm',
};

/** Applied to a query or key: `name` is `model.layers.0.self_attn.q` or `….k`. */
export type Rotate = (x: NamedValue, name: string, layer: number) => NamedValue;

/** The form of the blocks of a decoder. */
export interface DecoderForm {
  readonly names?: Partial<DecoderNames>;
  readonly norms?: BlockNorms;
  /**
   * Both branches read the stream of the layer's input: the MLP through `beforeMlp`, or without that name through
   * the norm of the attention. Default: the MLP reads what the attention has written.
   */
  readonly parallel?: boolean;
  /** Default: rotary positions. */
  readonly rotate?: Rotate;
  /** The queries, keys and values of a layer. Default: three linear layers. */
  readonly project?: (y: NamedValue, attention: string) => readonly NamedValue[];
  /** The factor of scores. Default: head_dim ** -0.5. */
  readonly scale?: number;
  /** What heads add to the scores of keys (ALiBi). Default: nothing. */
  readonly keyBias?: KeyBias | undefined;
  /** The factor of both branches. Default: 1. */
  readonly residualScale?: number;
  /** Replaces the gated MLP of a layer, named `model.layers.0`. */
  readonly feedForward?: (x: NamedValue, layer: string) => NamedValue;
}

/** The output of the last norm, [batch, seq, hidden], from tokens or from `embedded`. */
export function gatedDecoder(
  m: ModelBuilder,
  tokens: Value,
  form: DecoderForm = {},
  embedded?: NamedValue,
): NamedValue {
  const names = { ...llamaNames, ...form.names };
  let x = embedded ?? m.embed(names.embed, tokens);
  for (let l = 0; l < m.dims['layers']!; l++) x = decoderBlock(m, x, l, form, names);
  return m.norm(x, names.lastNorm);
}

/** The stream after layer `l`. */
function decoderBlock(
  m: ModelBuilder,
  x: NamedValue,
  l: number,
  form: DecoderForm,
  names: DecoderNames,
): NamedValue {
  const { norms = preNorms, parallel = false, residualScale = 1 } = form;
  const { feedForward = (z, name) => gatedMlp(m, z, `${name}.mlp`) } = form;
  const layer = `${names.layers}.${l}`;
  const normed = (y: NamedValue, name: string | undefined): NamedValue =>
    name === undefined ? y : m.norm(y, `${layer}.${name}`);
  const addBranch = (stream: NamedValue, branch: NamedValue, norm: string | undefined): NamedValue => {
    const output = normed(branch, norm);
    return add(stream, residualScale === 1 ? output : mapValue((v) => op.mul(v, residualScale), output));
  };
  const y = normed(x, norms.beforeAttention);
  const attended = attend(m, y, l, form, `${layer}.${names.attention}`);
  const written = m.linear(attended, `${layer}.${names.attention}.${names.output}`);
  const afterAttention = addBranch(x, written, norms.afterAttention);
  const sharesNorm = parallel && norms.beforeMlp === undefined;
  const z = sharesNorm ? y : normed(parallel ? x : afterAttention, norms.beforeMlp);
  return addBranch(afterAttention, feedForward(z, layer), norms.afterMlp);
}

/** The attention `attention` of layer `l` before its output projection. */
function attend(m: ModelBuilder, y: NamedValue, l: number, form: DecoderForm, attention: string): NamedValue {
  const { scale = m.dims['head_dim']! ** -0.5, rotate = (x) => m.rotary(x) } = form;
  const cap = m.settings['attnLogitSoftcap'];
  const projected = form.project?.(y, attention);
  const project = (i: number): NamedValue =>
    projected?.[i] ?? m.linear(y, `${attention}.${['q_proj', 'k_proj', 'v_proj'][i]!}`);
  const q = rotate(project(0), `${attention}.q`, l);
  const k = rotate(project(1), `${attention}.k`, l);
  return m.attention(q, k, project(2), scale, {
    window: windowOf(m.settings, l),
    softcap: typeof cap === 'number' ? cap : undefined,
    keyBias: form.keyBias,
  });
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

/** The names of the two linear layers of a plain MLP. */
export type PlainMlpNames = Pick<MlpNames, 'up' | 'down'>;

/** down(act(up x)); `mlp` is the prefix of the names. */
export function plainMlp(
  m: ModelBuilder,
  x: NamedValue,
  mlp: string,
  names: PlainMlpNames = llamaMlp,
): NamedValue {
  const inner = activate(m.linear(x, `${mlp}.${names.up}`), String(m.settings['activation']));
  return m.linear(inner, `${mlp}.${names.down}`);
}
