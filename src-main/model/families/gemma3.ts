/**
 * @file Gemma 3 (text): Gemma 2 with norms on queries and keys instead of soft-capped scores, and a separate rotary
 * base for sliding layers. Must agree with transformers' modeling_gemma3.py.
 */
import { refuse } from '../../base/errors.ts';
import { optional, setting } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { slidingAttention } from '../layer-type-names.ts';
import { groupedRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import { withLocalRope } from '../rope-frequencies.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { outputGain, withOffset, without } from '../tensor-specs.ts';
import { assertCausal, gemmaDims } from './gemma.ts';
import { gemma2 } from './gemma2.ts';
import { assertLayerTypesSupported, periodicLayerTypes } from './layer-types.ts';
import { sandwichDecoder } from './sandwich-decoder.ts';

const slidingWindowPattern = setting('sliding_window_pattern', 6);
const layerTypes = periodicLayerTypes((config) => Number(slidingWindowPattern.read(config)));

const rope: RopeSpec = {
  theta: 1e6,
  positions: 131_072,
  hasLayerTypes: true,
  sliding: { theta: 1e4, thetaKey: 'rope_local_base_freq' },
};

const attn = 'model.layers.{layer}.self_attn';

export const gemma3: ModelFamily = {
  ...gemma2,
  id: 'gemma3_text',
  title: 'Gemma 3',
  releases: [
    groupedRelease('Gemma 3 270M', [640, 2048, 18, 4, 1, 256]),
    groupedRelease('Gemma 3 1B', [1152, 6912, 26, 4, 1, 256]),
  ],
  modelTypes: ['gemma3_text'],
  architecture: 'Gemma3ForCausalLM',
  dims: gemmaDims({ vocab: 262_208, hidden: 2304, ffn: 9216, layers: 26, heads: 8, kvHeads: 4 }),
  settings: {
    ...without(gemma2.settings, 'attnLogitSoftcap'),
    finalLogitSoftcap: optional('final_logit_softcapping', null),
    layerTypes: layerTypes.setting,
    positions: setting('max_position_embeddings', 131_072),
    ...ropeSettings(rope),
  },
  scores: { ...gemma2.scores, between: ['self_attn.q_norm', 'self_attn.k_norm'] },
  tensors: {
    ...gemma2.tensors,
    ...withOffset(
      {
        [`${attn}.q_norm.weight`]: outputGain(`${attn}.q_proj.weight`, 'head_dim'),
        [`${attn}.k_norm.weight`]: outputGain(`${attn}.k_proj.weight`, 'head_dim'),
      },
      1,
    ),
  },
  remapLayers: layerTypes.remapLayers,
  rope,
  assertSupported(config) {
    assertCausal(config);
    assertLayerTypesSupported(config);
    assertRopeSupported(config, rope);
    if ((config['attn_logit_softcapping'] ?? null) !== null)
      refuse('checkpoint/unsupported', {
        what: 'attn_logit_softcapping',
        why: 'transformers reads it but does not apply it in this family',
      });
  },
  forward: (m, tokens) =>
    sandwichDecoder(m, tokens, (x, name, layer) => {
      const s = m.settings;
      const slides = (s['layerTypes'] as readonly string[])[layer] === slidingAttention;
      return m.rotary(m.norm(x, `${name}_norm`), slides ? withLocalRope(s) : s);
    }),
};
