/**
 * @file StarCoder2: Mistral's attention with layer norms, biases and a plain MLP. Must agree with transformers'
 * modeling_starcoder2.py.
 */
import { optional, setting } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { groupedRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { bias, gain, linear, lookup, shift } from '../tensor-specs.ts';
import { gatedDecoder, gatedDims, plainMlp } from './gated-decoder.ts';
import { llama } from './llama.ts';

const rope: RopeSpec = { positions: 4096 };

export const starcoder2: ModelFamily = {
  ...llama,
  id: 'starcoder2',
  title: 'StarCoder2',
  releases: [
    groupedRelease('StarCoder2 3B', [3072, 12_288, 30, 24, 2]),
    groupedRelease('StarCoder2 7B', [4608, 18_432, 32, 36, 4]),
    groupedRelease('StarCoder2 15B', [6144, 24_576, 40, 48, 4]),
  ],
  modelTypes: ['starcoder2'],
  architecture: 'Starcoder2ForCausalLM',
  dims: gatedDims({ vocab: 49_152, hidden: 3072, ffn: 12_288, layers: 30, heads: 24, kvHeads: 2 }),
  settings: {
    eps: setting('norm_epsilon', 1e-5),
    tied: setting('tie_word_embeddings', true),
    activation: setting('hidden_act', 'gelu_pytorch_tanh'),
    std: setting('initializer_range', 0.018042),
    bias: setting('use_bias', true),
    positions: setting('max_position_embeddings', 4096),
    window: optional('sliding_window', null),
    ...ropeSettings(rope),
  },
  stream: { axis: 'hidden', norm: 'layer' },
  constraints: [],
  // One weight per line, in columns.
  // prettier-ignore
  tensors: {
    'model.embed_tokens.weight':                            lookup('vocab : hidden'),
    'model.layers.{layer}.input_layernorm.weight':          gain('hidden'),
    'model.layers.{layer}.input_layernorm.bias':            shift('hidden'),
    'model.layers.{layer}.self_attn.q_proj.weight':         linear('(kv_heads group head_dim) <- hidden'),
    'model.layers.{layer}.self_attn.q_proj.bias':           bias('(kv_heads group head_dim)', 'bias'),
    'model.layers.{layer}.self_attn.k_proj.weight':         linear('(kv_heads head_dim) <- hidden'),
    'model.layers.{layer}.self_attn.k_proj.bias':           bias('(kv_heads head_dim)', 'bias'),
    'model.layers.{layer}.self_attn.v_proj.weight':         linear('(kv_heads head_dim) <- hidden'),
    'model.layers.{layer}.self_attn.v_proj.bias':           bias('(kv_heads head_dim)', 'bias'),
    'model.layers.{layer}.self_attn.o_proj.weight':         linear('hidden <- (kv_heads group head_dim)'),
    'model.layers.{layer}.self_attn.o_proj.bias':           bias('hidden', 'bias'),
    'model.layers.{layer}.post_attention_layernorm.weight': gain('hidden'),
    'model.layers.{layer}.post_attention_layernorm.bias':   shift('hidden'),
    'model.layers.{layer}.mlp.c_fc.weight':                 linear('ffn <- hidden'),
    'model.layers.{layer}.mlp.c_fc.bias':                   bias('ffn', 'bias'),
    'model.layers.{layer}.mlp.c_proj.weight':               linear('hidden <- ffn'),
    'model.layers.{layer}.mlp.c_proj.bias':                 bias('hidden', 'bias'),
    'model.norm.weight':                                    gain('hidden'),
    'model.norm.bias':                                      shift('hidden'),
    'lm_head.weight':                                       linear('vocab <- hidden'),
  },
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
  },
  forward: (m, tokens) =>
    gatedDecoder(m, tokens, {
      feedForward: (x, layer) => plainMlp(m, x, `${layer}.mlp`, { up: 'c_fc', down: 'c_proj' }),
    }),
};
