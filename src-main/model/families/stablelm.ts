/**
 * @file StableLM: Llama's attention and gated MLP with layer norms, partially rotated heads, and parallel or
 * sequential branches. Must agree with transformers' modeling_stablelm.py.
 */
import { refuse } from '../../base/errors.ts';
import { derived, setting, size } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { bias, gain, linear, lookup, shift } from '../tensor-specs.ts';
import { wholeHeads } from './constraints.ts';
import { gatedDecoder, groupedHeads, preNorms } from './gated-decoder.ts';

const rope: RopeSpec = { factor: 0.25, factorKey: 'partial_rotary_factor', positions: 4096 };

export const stablelm: ModelFamily = {
  id: 'stablelm',
  title: 'StableLM',
  modelTypes: ['stablelm'],
  architecture: 'StableLmForCausalLM',
  gguf: true,
  dims: {
    vocab: size('vocab_size', { default: 50_304 }),
    hidden: size('hidden_size', { default: 2560 }),
    ...groupedHeads({ heads: 32, kvHeads: 32 }),
    head_dim: derived(({ hidden, kv_heads, group }) => hidden! / (kv_heads! * group!)),
    ffn: size('intermediate_size', { default: 6912 }),
    layers: size('num_hidden_layers', { default: 32 }),
  },
  settings: {
    eps: setting('layer_norm_eps', 1e-5),
    tied: setting('tie_word_embeddings', false),
    activation: setting('hidden_act', 'silu'),
    std: setting('initializer_range', 0.02),
    qkvBias: setting('use_qkv_bias', false),
    parallelResidual: setting('use_parallel_residual', false),
    // Only sequential branches have a norm between them.
    sequentialResidual: {
      keys: ['use_parallel_residual'],
      read: (config) => config['use_parallel_residual'] !== true,
    },
    positions: setting('max_position_embeddings', 4096),
    ...ropeSettings(rope),
  },
  parts: {},
  stream: { axis: 'hidden', norm: 'layer' },
  head: { weight: 'lm_head.weight', tiedTo: 'model.embed_tokens.weight', norm: 'model.norm' },
  scores: {
    over: 'head_dim',
    between: ['self_attn.q_proj', 'self_attn.k_proj'],
    scale: ({ head_dim }) => head_dim! ** -0.5,
  },
  frozen: { head_dim: 'each entry of a head has a fixed rotary frequency' },
  constraints: [wholeHeads],
  // One weight per line, in columns.
  // prettier-ignore
  tensors: {
    'model.embed_tokens.weight':                              lookup('vocab : hidden'),
    'model.layers.{layer}.input_layernorm.weight':            gain('hidden'),
    'model.layers.{layer}.input_layernorm.bias':              shift('hidden'),
    'model.layers.{layer}.self_attn.q_proj.weight':           linear('(kv_heads group head_dim) <- hidden'),
    'model.layers.{layer}.self_attn.q_proj.bias':             bias('(kv_heads group head_dim)', 'qkvBias'),
    'model.layers.{layer}.self_attn.k_proj.weight':           linear('(kv_heads head_dim) <- hidden'),
    'model.layers.{layer}.self_attn.k_proj.bias':             bias('(kv_heads head_dim)', 'qkvBias'),
    'model.layers.{layer}.self_attn.v_proj.weight':           linear('(kv_heads head_dim) <- hidden'),
    'model.layers.{layer}.self_attn.v_proj.bias':             bias('(kv_heads head_dim)', 'qkvBias'),
    'model.layers.{layer}.self_attn.o_proj.weight':           linear('hidden <- (kv_heads group head_dim)'),
    'model.layers.{layer}.post_attention_layernorm.weight':   gain('hidden', 'sequentialResidual'),
    'model.layers.{layer}.post_attention_layernorm.bias':     shift('hidden', 'sequentialResidual'),
    'model.layers.{layer}.mlp.gate_proj.weight':              linear('ffn <- hidden'),
    'model.layers.{layer}.mlp.up_proj.weight':                linear('ffn <- hidden'),
    'model.layers.{layer}.mlp.down_proj.weight':              linear('hidden <- ffn'),
    'model.norm.weight':                                      gain('hidden'),
    'model.norm.bias':                                        shift('hidden'),
    'lm_head.weight':                                         linear('vocab <- hidden'),
  },
  baseModelPrefix: 'model',
  namePrefix: '',
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
    if (config['qk_layernorm'] === true)
      refuse('checkpoint/unsupported', {
        what: 'qk_layernorm',
        why: 'per-head norms of queries and keys are not implemented for this family',
      });
  },
  forward(m, tokens) {
    const parallel = m.settings['parallelResidual'] === true;
    const norms = parallel ? { beforeAttention: 'input_layernorm' } : preNorms;
    return gatedDecoder(m, tokens, { parallel, norms });
  },
};
