/**
 * @file HunYuan (dense): Llama with norms on rotated queries and keys. Must agree with transformers'
 * modeling_hunyuan_v1_dense.py.
 */
import { setting, size } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { groupedRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { outputGain, without } from '../tensor-specs.ts';
import { gatedDecoder, gatedDims } from './gated-decoder.ts';
import { llama, llamaTensors } from './llama.ts';

const rope: RopeSpec = { positions: 2048, hasAlpha: true };
const attn = 'model.layers.{layer}.self_attn';
const normNames: Readonly<Record<string, string>> = { q: 'query_layernorm', k: 'key_layernorm' };

export const hunyuan: ModelFamily = {
  ...llama,
  id: 'hunyuan_v1_dense',
  title: 'HunYuan',
  releases: [
    groupedRelease('HunYuan 0.5B', [1024, 3584, 24, 8, 4, 128]),
    groupedRelease('HunYuan 1.8B', [2048, 6144, 32, 16, 4, 128]),
    groupedRelease('HunYuan 4B', [3072, 8192, 36, 32, 8, 128]),
    groupedRelease('HunYuan 7B', [4096, 14_336, 32, 32, 8, 128]),
  ],
  modelTypes: ['hunyuan_v1_dense'],
  architecture: 'HunYuanDenseV1ForCausalLM',
  dims: {
    ...gatedDims({ vocab: 290_943, hidden: 4096, ffn: 11_008, layers: 32, heads: 32 }),
    head_dim: size('head_dim'),
  },
  settings: {
    ...without(llama.settings, 'mlpBias'),
    eps: setting('rms_norm_eps', 1e-5),
    ...ropeSettings(rope),
  },
  scores: { ...llama.scores, between: ['self_attn.query_layernorm', 'self_attn.key_layernorm'] },
  constraints: [],
  tensors: {
    ...llamaTensors((key) => (key.includes('self_attn') ? 'attentionBias' : false)),
    [`${attn}.query_layernorm.weight`]: outputGain(`${attn}.q_proj.weight`, 'head_dim'),
    [`${attn}.key_layernorm.weight`]: outputGain(`${attn}.k_proj.weight`, 'head_dim'),
  },
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
  },
  forward: (m, tokens) =>
    gatedDecoder(m, tokens, {
      rotate: (x, name) =>
        m.norm(
          m.rotary(x),
          name.replace(/[qk]$/, (which) => normNames[which]!),
        ),
    }),
};
