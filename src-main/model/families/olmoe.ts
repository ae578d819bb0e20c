/**
 * @file OLMoE: experts in place of every MLP, and norms of queries and keys that span all heads. Must agree with
 * transformers' modeling_olmoe.py.
 */
import { refuse } from '../../base/errors.ts';
import { derived, setting, size } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { outputGain, without } from '../tensor-specs.ts';
import { wholeHeads } from './constraints.ts';
import * as moe from './experts.ts';
import { gatedDecoder, gatedDims } from './gated-decoder.ts';
import { llama } from './llama.ts';
import * as qwenMoe from './qwen-moe.ts';

const rope: RopeSpec = { positions: 4096 };
const attention = 'model.layers.{layer}.self_attn';

export const olmoe: ModelFamily = {
  ...llama,
  id: 'olmoe',
  title: 'OLMoE',
  releases: [],
  modelTypes: ['olmoe'],
  architecture: 'OlmoeForCausalLM',
  attributeMap: { num_local_experts: 'num_experts' },
  dims: {
    ...gatedDims({ vocab: 50_304, hidden: 2048, ffn: 2048, layers: 16, heads: 16, kvHeadsMayBeNull: true }),
    head_dim: derived(({ hidden, kv_heads, group }) => hidden! / (kv_heads! * group!)),
    experts: size('num_experts', { default: 64 }),
  },
  settings: {
    ...without(llama.settings, 'mlpBias'),
    ...qwenMoe.routingSettings,
    auxLossCoef: setting('router_aux_loss_coef', 0.01),
    eps: setting('rms_norm_eps', 1e-5),
    positions: setting('max_position_embeddings', 4096),
    ...ropeSettings(rope),
  },
  scores: { ...llama.scores, between: ['self_attn.q_norm', 'self_attn.k_norm'] },
  frozen: { ...llama.frozen, experts: moe.frozenExperts },
  constraints: [wholeHeads],
  tensors: {
    ...moe.withExperts(llama.tensors, qwenMoe.expertTensors),
    [`${attention}.q_norm.weight`]: outputGain(`${attention}.q_proj.weight`, '(kv_heads group head_dim)'),
    [`${attention}.k_norm.weight`]: outputGain(`${attention}.k_proj.weight`, '(kv_heads head_dim)'),
  },
  mixture: { hasNormTopkProb: true },
  floatKeys: moe.floatKeys,
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
    moe.assertRoutingSupported(config, olmoe);
    if (config['clip_qkv'] !== undefined && config['clip_qkv'] !== null)
      refuse('checkpoint/unsupported', { what: 'clip_qkv', why: 'queries, keys and values are not clipped' });
  },
  forward: (m, tokens) =>
    gatedDecoder(m, tokens, {
      rotate: (x, name) => m.rotary(m.norm(x, `${name}_norm`)),
      feedForward: (x, layer) => moe.mixtureOfExperts(m, x, `${layer}.mlp`),
    }),
};
