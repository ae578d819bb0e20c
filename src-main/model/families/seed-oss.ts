/** @file Seed-OSS: Llama with biases on queries, keys and values. Must agree with modeling_seed_oss.py. */
import { setting, size } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { groupedRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { gatedDims } from './gated-decoder.ts';
import { llama, llamaTensors } from './llama.ts';

const rope: RopeSpec = { positions: 524_288 };

export const seedOss: ModelFamily = {
  ...llama,
  id: 'seed_oss',
  title: 'Seed-OSS',
  releases: [groupedRelease('Seed-OSS 36B', [5120, 27_648, 64, 80, 8, 128])],
  modelTypes: ['seed_oss'],
  architecture: 'SeedOssForCausalLM',
  dims: {
    ...gatedDims({
      vocab: 155_136,
      hidden: 4096,
      ffn: 27_648,
      layers: 64,
      heads: 80,
      kvHeads: 8,
      kvHeadsMayBeNull: true,
    }),
    head_dim: size('head_dim', {
      default: 128,
      fallback: ({ hidden, kv_heads, group }) => Math.floor(hidden! / (kv_heads! * group!)),
    }),
  },
  settings: {
    ...llama.settings,
    attentionBias: setting('attention_bias', true),
    attentionOutBias: setting('attention_out_bias', false),
    positions: setting('max_position_embeddings', 524_288),
    ...ropeSettings(rope),
  },
  constraints: [],
  tensors: llamaTensors((key) => {
    if (key.includes('.mlp.')) return 'mlpBias';
    return key.includes('.o_proj.') ? 'attentionOutBias' : 'attentionBias';
  }),
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
  },
};
