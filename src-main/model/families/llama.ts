/** @file Llama. Must agree with transformers' modeling_llama.py. */
import { setting } from '../config-fields.ts';
import type { ModelFamily, SettingName } from '../family.ts';
import { groupedRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { bias, gain, linear, lookup } from '../tensor-specs.ts';
import { gatedDecoder, gatedDims } from './gated-decoder.ts';

const rope: RopeSpec = { positions: 2048 };

export const llama: ModelFamily = {
  id: 'llama',
  title: 'Llama',
  releases: [
    groupedRelease('SmolLM2 135M', [576, 1536, 30, 9, 3]),
    groupedRelease('SmolLM2 360M', [960, 2560, 32, 15, 5]),
    groupedRelease('TinyLlama 1.1B', [2048, 5632, 22, 32, 4]),
    groupedRelease('Llama 3.2 1B', [2048, 8192, 16, 32, 8]),
    groupedRelease('SmolLM2 1.7B', [2048, 8192, 24, 32, 32]),
    groupedRelease('Llama 3.2 3B', [3072, 8192, 28, 24, 8]),
    groupedRelease('Llama 2 7B', [4096, 11_008, 32, 32, 32]),
    groupedRelease('Llama 3.1 8B', [4096, 14_336, 32, 32, 8]),
    groupedRelease('Llama 2 13B', [5120, 13_824, 40, 40, 40]),
    groupedRelease('Llama 3.1 70B', [8192, 28_672, 80, 64, 8]),
  ],
  modelTypes: ['llama'],
  architecture: 'LlamaForCausalLM',
  gguf: true,
  dims: gatedDims({ vocab: 32_000, hidden: 4096, ffn: 11_008, layers: 32, heads: 32 }),
  settings: {
    eps: setting('rms_norm_eps', 1e-6),
    tied: setting('tie_word_embeddings', false),
    activation: setting('hidden_act', 'silu'),
    std: setting('initializer_range', 0.02),
    attentionBias: setting('attention_bias', false),
    mlpBias: setting('mlp_bias', false),
    positions: setting('max_position_embeddings', 2048),
    ...ropeSettings(rope),
  },
  parts: {},
  stream: { axis: 'hidden', norm: 'rms' },
  head: { weight: 'lm_head.weight', tiedTo: 'model.embed_tokens.weight', norm: 'model.norm' },
  scores: {
    over: 'head_dim',
    between: ['self_attn.q_proj', 'self_attn.k_proj'],
    scale: ({ head_dim }) => head_dim! ** -0.5,
  },
  frozen: { head_dim: 'each entry of a head has a fixed rotary frequency' },
  constraints: [
    {
      axis: 'hidden',
      why: 'transformers requires hidden to be a multiple of the number of query heads',
      holds: ({ hidden, kv_heads, group }) => hidden! % (kv_heads! * group!) === 0,
    },
  ],
  // One weight per line, in columns.
  // prettier-ignore
  tensors: {
    'model.embed_tokens.weight':                              lookup('vocab : hidden'),
    'model.layers.{layer}.input_layernorm.weight':            gain('hidden'),
    'model.layers.{layer}.self_attn.q_proj.weight':           linear('(kv_heads group head_dim) <- hidden'),
    'model.layers.{layer}.self_attn.q_proj.bias':             bias('(kv_heads group head_dim)', 'attentionBias'),
    'model.layers.{layer}.self_attn.k_proj.weight':           linear('(kv_heads head_dim) <- hidden'),
    'model.layers.{layer}.self_attn.k_proj.bias':             bias('(kv_heads head_dim)', 'attentionBias'),
    'model.layers.{layer}.self_attn.v_proj.weight':           linear('(kv_heads head_dim) <- hidden'),
    'model.layers.{layer}.self_attn.v_proj.bias':             bias('(kv_heads head_dim)', 'attentionBias'),
    'model.layers.{layer}.self_attn.o_proj.weight':           linear('hidden <- (kv_heads group head_dim)'),
    'model.layers.{layer}.self_attn.o_proj.bias':             bias('hidden', 'attentionBias'),
    'model.layers.{layer}.post_attention_layernorm.weight':   gain('hidden'),
    'model.layers.{layer}.mlp.gate_proj.weight':              linear('ffn <- hidden'),
    'model.layers.{layer}.mlp.gate_proj.bias':                bias('ffn', 'mlpBias'),
    'model.layers.{layer}.mlp.up_proj.weight':                linear('ffn <- hidden'),
    'model.layers.{layer}.mlp.up_proj.bias':                  bias('ffn', 'mlpBias'),
    'model.layers.{layer}.mlp.down_proj.weight':              linear('hidden <- ffn'),
    'model.layers.{layer}.mlp.down_proj.bias':                bias('hidden', 'mlpBias'),
    'model.norm.weight':                                      gain('hidden'),
    'lm_head.weight':                                         linear('vocab <- hidden'),
  },
  baseModelPrefix: 'model',
  namePrefix: '',
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
  },
  forward: (m, tokens) => gatedDecoder(m, tokens),
};

/**
 * Llama's table with the biases that `biasOf` wants: always, never, or if a setting is true. `key` is that of the
 * bias.
 */
export const llamaTensors = (biasOf: (key: string) => boolean | SettingName): ModelFamily['tensors'] =>
  Object.fromEntries(
    Object.entries(llama.tensors).flatMap(([key, spec]) => {
      if (spec.kind !== 'bias') return [[key, spec]];
      const when = biasOf(key);
      return when === false ? [] : [[key, bias(spec.layout.text, when === true ? undefined : when)]];
    }),
  );

/** Llama's table with biases only on the linear layers whose key matches, whatever the settings say. */
export const withBiases = (pattern: RegExp): ModelFamily['tensors'] =>
  llamaTensors((key) => pattern.test(key));
