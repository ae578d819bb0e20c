/** @file Helium: Llama with interleaved rotary pairs. Must agree with transformers' modeling_helium.py. */
import { refuse } from '../../base/errors.ts';
import { setting, size } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { groupedRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { gatedDims } from './gated-decoder.ts';
import { llama, llamaTensors } from './llama.ts';

const rope: RopeSpec = { theta: 1e5, positions: 4096, interleaved: true };

export const helium: ModelFamily = {
  ...llama,
  id: 'helium',
  title: 'Helium',
  releases: [groupedRelease('Helium 1 2B', [2048, 8192, 28, 16, 8, 128])],
  modelTypes: ['helium'],
  architecture: 'HeliumForCausalLM',
  gguf: false,
  dims: {
    ...gatedDims({ vocab: 48_000, hidden: 2560, ffn: 7040, layers: 24, heads: 20, kvHeads: 20 }),
    head_dim: size('head_dim', { default: 128 }),
  },
  settings: {
    ...llama.settings,
    eps: setting('rms_norm_eps', 1e-8),
    positions: setting('max_position_embeddings', 4096),
    ...ropeSettings(rope),
  },
  constraints: [
    {
      axis: 'hidden',
      why: 'the output projection of attention is hidden × hidden, so hidden is heads × head_dim',
      holds: ({ hidden, kv_heads, group, head_dim }) => hidden === kv_heads! * group! * head_dim!,
    },
  ],
  tensors: llamaTensors((key) => {
    if (key.includes('.mlp.')) return 'mlpBias';
    return key.includes('.o_proj.') ? false : 'attentionBias';
  }),
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
    const { hidden_size: hidden = 2560, num_attention_heads: heads = 20, head_dim: width = 128 } = config;
    const areNumbers = [hidden, heads, width].every((size) => typeof size === 'number' && size > 0);
    if (areNumbers && hidden !== Number(heads) * Number(width))
      refuse('checkpoint/unsupported', {
        what: `hidden_size ${Number(hidden)}`,
        why: `it must be num_attention_heads × head_dim, which is ${Number(heads) * Number(width)}`,
      });
  },
};
