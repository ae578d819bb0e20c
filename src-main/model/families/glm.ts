/**
 * @file GLM-4 9B and GLM-4-0414: Llama's layers with gate and up in one weight and interleaved rotary pairs on half of
 * a head; GLM4 also has norms after both branches. Must agree with modeling_glm.py and modeling_glm4.py.
 */
import { setting, size } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { groupedRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { linear, outputGain, without } from '../tensor-specs.ts';
import { gatedDecoder, gatedDims, preNorms } from './gated-decoder.ts';
import { llama, llamaTensors } from './llama.ts';
import { fusedGateMlp } from './phi3.ts';

const rope: RopeSpec = {
  factor: 0.5,
  factorKey: 'partial_rotary_factor',
  positions: 131_072,
  interleaved: true,
};

const layer = 'model.layers.{layer}';

export const glm: ModelFamily = {
  ...llama,
  id: 'glm',
  title: 'GLM-4 9B',
  releases: [groupedRelease('GLM-4 9B', [4096, 13_696, 40, 32, 2, 128])],
  modelTypes: ['glm'],
  architecture: 'GlmForCausalLM',
  dims: {
    ...gatedDims({ vocab: 151_552, hidden: 4096, ffn: 13_696, layers: 40, heads: 32, kvHeads: 2 }),
    head_dim: size('head_dim', {
      default: 128,
      fallback: ({ hidden, kv_heads, group }) => Math.floor(hidden! / (kv_heads! * group!)),
    }),
  },
  settings: {
    ...without(llama.settings, 'mlpBias'),
    eps: setting('rms_norm_eps', 1.5625e-7),
    attentionBias: setting('attention_bias', true),
    positions: setting('max_position_embeddings', 131_072),
    ...ropeSettings(rope),
  },
  parts: { gate_up: ['gate', 'up'] },
  constraints: [],
  tensors: {
    ...without(
      llamaTensors((key) => (/\.[qkv]_proj\./.test(key) ? 'attentionBias' : false)),
      `${layer}.mlp.gate_proj.weight`,
      `${layer}.mlp.up_proj.weight`,
    ),
    [`${layer}.mlp.gate_up_proj.weight`]: linear('(gate_up ffn) <- hidden'),
  },
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
  },
  forward: (m, tokens) =>
    gatedDecoder(m, tokens, { feedForward: (x, name) => fusedGateMlp(m, x, `${name}.mlp`) }),
};

export const glm4: ModelFamily = {
  ...glm,
  id: 'glm4',
  title: 'GLM-4-0414',
  releases: [
    groupedRelease('GLM-4-0414 9B', [4096, 13_696, 40, 32, 2, 128]),
    groupedRelease('GLM-4-0414 32B', [6144, 23_040, 61, 48, 2, 128]),
  ],
  modelTypes: ['glm4'],
  architecture: 'Glm4ForCausalLM',
  dims: { ...glm.dims, head_dim: size('head_dim', { default: 128 }) },
  tensors: {
    ...glm.tensors,
    [`${layer}.post_self_attn_layernorm.weight`]: outputGain(`${layer}.self_attn.o_proj.weight`, 'hidden'),
    [`${layer}.post_mlp_layernorm.weight`]: outputGain(`${layer}.mlp.down_proj.weight`, 'hidden'),
  },
  forward: (m, tokens) =>
    gatedDecoder(m, tokens, {
      norms: { ...preNorms, afterAttention: 'post_self_attn_layernorm', afterMlp: 'post_mlp_layernorm' },
      feedForward: (x, name) => fusedGateMlp(m, x, `${name}.mlp`),
    }),
};
