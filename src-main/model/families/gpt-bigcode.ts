/**
 * @file GPT-BigCode (SantaCoder, StarCoder 1): GPT-2 with one key and value head for all query heads. Must agree with
 * transformers' modeling_gpt_bigcode.py.
 */
import { refuse } from '../../base/errors.ts';
import { derived, setting, size } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { add } from '../named-value.ts';
import { bias, linear } from '../tensor-specs.ts';
import { wholeHeads } from './constraints.ts';
import { gatedDecoder, plainMlp } from './gated-decoder.ts';
import { gpt2 } from './gpt2.ts';

const attn = 'h.{layer}.attn';
const mlp = 'h.{layer}.mlp';
const fused = 'qkv(group head_dim | head_dim | head_dim)';

export const gptBigcode: ModelFamily = {
  ...gpt2,
  id: 'gpt_bigcode',
  title: 'GPT-BigCode',
  releases: [],
  modelTypes: ['gpt_bigcode'],
  architecture: 'GPTBigCodeForCausalLM',
  dims: {
    vocab: size('vocab_size', { default: 50_257 }),
    positions: size('n_positions', { default: 1024 }),
    hidden: size('n_embd', { default: 768 }),
    kv_heads: derived(() => 1),
    group: size('n_head', { default: 12 }),
    ffn: size('n_inner', { fallback: ({ hidden }) => 4 * hidden! }),
    head_dim: derived(({ hidden, group }) => hidden! / group!),
    layers: size('n_layer', { default: 12 }),
  },
  settings: { ...gpt2.settings, activation: setting('activation_function', 'gelu_pytorch_tanh') },
  frozen: { kv_heads: 'all query heads share one key and value head' },
  constraints: [wholeHeads],
  tensors: {
    ...gpt2.tensors,
    [`${attn}.c_attn.weight`]: linear(`${fused} <- hidden`),
    [`${attn}.c_attn.bias`]: bias(fused),
    [`${attn}.c_proj.weight`]: linear('hidden <- (group head_dim)'),
    [`${mlp}.c_fc.weight`]: linear('ffn <- hidden'),
    [`${mlp}.c_proj.weight`]: linear('hidden <- ffn'),
  },
  assertSupported(config) {
    const unsupported = (what: string, why: string): never => refuse('checkpoint/unsupported', { what, why });
    if (config['multi_query'] === false)
      unsupported('multi_query: false', 'only models with one key and value head are supported');
    if (config['scale_attn_weights'] === false)
      unsupported('scale_attn_weights: false', 'the forward pass always scales scores');
    if (config['add_cross_attention'] === true)
      unsupported('add_cross_attention', 'only decoders without cross attention are supported');
  },
  forward: (m, tokens) =>
    gatedDecoder(
      m,
      tokens,
      {
        names: { layers: 'h', attention: 'attn', output: 'c_proj', lastNorm: 'ln_f' },
        norms: { beforeAttention: 'ln_1', beforeMlp: 'ln_2' },
        rotate: (x) => x,
        project: (y, attention) => m.splitLinear(y, `${attention}.c_attn`),
        feedForward: (x, layer) => plainMlp(m, x, `${layer}.mlp`, { up: 'c_fc', down: 'c_proj' }),
      },
      add(m.embed('wte', tokens), m.positionRows('wpe', tokens)),
    ),
};
