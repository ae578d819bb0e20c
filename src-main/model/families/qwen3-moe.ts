/** @file Qwen 3 MoE: Qwen 3 with experts in place of every MLP. Must agree with modeling_qwen3_moe.py. */
import { refuse } from '../../base/errors.ts';
import { size } from '../config-fields.ts';
import type { ModelFamily, Upcycling } from '../family.ts';
import { fullAttention, slidingAttention } from '../layer-type-names.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { without } from '../tensor-specs.ts';
import * as moe from './experts.ts';
import { gatedDecoder, gatedDims } from './gated-decoder.ts';
import * as qwenMoe from './qwen-moe.ts';
import { qwen3 } from './qwen.ts';
import { windowField } from './windows.ts';

const rope: RopeSpec = { positions: 32_768 };

const upcycling: Upcycling = {
  denseFamilies: ['qwen3'],
  copiedFrom: qwenMoe.mlpCopies(`${qwenMoe.mlp}.experts.{expert}`),
  /** The window applies to all layers of this family or to none. */
  config(dense, settings, normTopkProb) {
    const types = settings['layerTypes'] as readonly string[];
    const window = typeof settings['window'] === 'number' && types.includes(slidingAttention);
    if (window && types.includes(fullAttention))
      refuse('growth/no-mixture', {
        family: 'a model with a sliding window in some layers only',
        known: ['models with the window in all layers or in none'],
      });
    return {
      ...without(moe.withExplicitDefaults(dense, settings), 'layer_types', 'max_window_layers', 'mlp_bias'),
      use_sliding_window: window,
      sliding_window: window ? (settings['window'] as number) : null,
      attention_bias: settings['attentionBias'] === true,
      ...qwenMoe.routerConfig(normTopkProb),
    };
  },
};

export const qwen3Moe: ModelFamily = {
  ...qwen3,
  id: 'qwen3-moe',
  title: 'Qwen 3 MoE',
  releases: [],
  modelTypes: ['qwen3_moe'],
  architecture: 'Qwen3MoeForCausalLM',
  attributeMap: { num_local_experts: 'num_experts' },
  dims: {
    ...gatedDims({ vocab: 151_936, hidden: 2048, ffn: 6144, layers: 24, heads: 32, kvHeads: 4 }),
    ffn: size('moe_intermediate_size', { default: 768 }),
    experts: size('num_experts', { default: 128 }),
  },
  settings: {
    ...without(qwen3.settings, 'layerTypes'),
    ...qwenMoe.routingSettings,
    window: windowField,
    ...ropeSettings(rope),
  },
  frozen: { ...qwen3.frozen, experts: moe.frozenExperts },
  tensors: moe.withExperts(qwen3.tensors, qwenMoe.expertTensors),
  mixture: { hasNormTopkProb: true, upcycling },
  remapLayers: () => ({}),
  floatKeys: moe.floatKeys,
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
    moe.assertRoutingSupported(config, qwen3Moe);
  },
  forward: (m, tokens) =>
    gatedDecoder(m, tokens, {
      rotate: (x, name) => m.rotary(m.norm(x, `${name}_norm`)),
      feedForward: (x, layer) => moe.mixtureOfExperts(m, x, `${layer}.mlp`),
    }),
};
