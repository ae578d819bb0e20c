/** @file What BLOOM and Falcon share: the names of their weights, which are in two layouts, and the form of a block. */
import type { ModelFamily, SettingName } from '../family.ts';
import { unbind } from '../named-value.ts';
import type { ModelBuilder } from '../builder-types.ts';
import { bias, gain, linear, lookup, shift } from '../tensor-specs.ts';
import type { DecoderForm } from './gated-decoder.ts';
import { plainMlp } from './gated-decoder.ts';

const attention = 'self_attention.query_key_value';
export const bloomHead: ModelFamily['head'] = {
  weight: 'lm_head.weight',
  tiedTo: 'word_embeddings.weight',
  norm: 'ln_f',
};
export const bloomScores: ModelFamily['scores'] = {
  over: 'head_dim',
  between: [`${attention}/q`, `${attention}/k`],
  scale: ({ head_dim }) => head_dim! ** -0.5,
};

/** The fused queries, keys and values: a triple for each head, or many query heads and one of the others. */
export type FusedHeads = 'heads' | 'group';
const fusedLayouts: Readonly<Record<FusedHeads, string>> = {
  heads: '(heads qkv head_dim)',
  group: 'qkv(group head_dim | head_dim | head_dim)',
};

/** The table, with the settings that biases and second norms depend on. */
// prettier-ignore
export const bloomTensors = (
  heads: FusedHeads,
  { biases, secondNorm }: { readonly biases?: SettingName; readonly secondNorm?: SettingName } = {},
): ModelFamily['tensors'] => ({
  'word_embeddings.weight':                    lookup('vocab : hidden'),
  'h.{layer}.input_layernorm.weight':          gain('hidden'),
  'h.{layer}.input_layernorm.bias':            shift('hidden'),
  [`h.{layer}.${attention}.weight`]:           linear(`${fusedLayouts[heads]} <- hidden`),
  [`h.{layer}.${attention}.bias`]:             bias(fusedLayouts[heads], biases),
  'h.{layer}.self_attention.dense.weight':     linear(`hidden <- (${heads} head_dim)`),
  'h.{layer}.self_attention.dense.bias':       bias('hidden', biases),
  'h.{layer}.post_attention_layernorm.weight': gain('hidden', secondNorm),
  'h.{layer}.post_attention_layernorm.bias':   shift('hidden', secondNorm),
  'h.{layer}.mlp.dense_h_to_4h.weight':        linear('ffn <- hidden'),
  'h.{layer}.mlp.dense_h_to_4h.bias':          bias('ffn', biases),
  'h.{layer}.mlp.dense_4h_to_h.weight':        linear('hidden <- ffn'),
  'h.{layer}.mlp.dense_4h_to_h.bias':          bias('hidden', biases),
  'ln_f.weight':                               gain('hidden'),
  'ln_f.bias':                                 shift('hidden'),
  'lm_head.weight':                            linear('vocab <- hidden'),
});

/** The form of a block: both branches read one norm, or each reads its own. */
export const bloomForm = (m: ModelBuilder, heads: FusedHeads, parallel = false): DecoderForm => ({
  names: {
    embed: 'word_embeddings',
    layers: 'h',
    attention: 'self_attention',
    output: 'dense',
    lastNorm: 'ln_f',
  },
  norms: {
    beforeAttention: 'input_layernorm',
    ...(parallel ? {} : { beforeMlp: 'post_attention_layernorm' }),
  },
  parallel,
  project(y, name) {
    const fused = `${name}.query_key_value`;
    return heads === 'heads' ? unbind(m.linear(y, fused), 'qkv') : m.splitLinear(y, fused);
  },
  feedForward: (x, layer) => plainMlp(m, x, `${layer}.mlp`, { up: 'dense_h_to_4h', down: 'dense_4h_to_h' }),
});
