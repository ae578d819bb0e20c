/** @file ERNIE 4.5: Llama with interleaved rotary pairs. Must agree with transformers' modeling_ernie4_5.py. */
import { optionalFlag, setting, size } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { groupedRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { without } from '../tensor-specs.ts';
import { gatedDims } from './gated-decoder.ts';
import { llama, llamaTensors } from './llama.ts';

const rope: RopeSpec = { theta: 5e5, positions: 131_072, interleaved: true };

export const ernie: ModelFamily = {
  ...llama,
  id: 'ernie4_5',
  title: 'ERNIE 4.5',
  releases: [groupedRelease('ERNIE 4.5 0.3B', [1024, 3072, 18, 16, 2, 128])],
  modelTypes: ['ernie4_5'],
  architecture: 'Ernie4_5ForCausalLM',
  dims: {
    ...gatedDims({
      vocab: 103_424,
      hidden: 1024,
      ffn: 3072,
      layers: 18,
      heads: 16,
      kvHeads: 2,
      kvHeadsMayBeNull: true,
    }),
    head_dim: size('head_dim', {
      default: 128,
      fallback: ({ hidden, kv_heads, group }) => Math.floor(hidden! / (kv_heads! * group!)),
    }),
  },
  settings: {
    ...without(llama.settings, 'attentionBias', 'mlpBias'),
    eps: setting('rms_norm_eps', 1e-5),
    tied: setting('tie_word_embeddings', true),
    bias: optionalFlag('use_bias', false),
    positions: setting('max_position_embeddings', 131_072),
    ...ropeSettings(rope),
  },
  constraints: [],
  tensors: llamaTensors(() => 'bias'),
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
  },
};
