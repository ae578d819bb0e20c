/**
 * @file Gemma 3 (text): Gemma 2 with norms on queries and keys instead of soft-capped scores, and a separate rotary
 * base for sliding layers. Must agree with transformers' modeling_gemma3.py.
 */
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { optional } from '../config-fields.ts';
import type { ModelFamily, SettingField, SettingValue } from '../family.ts';
import { assertRopeSupported } from '../rope-config.ts';
import { outputGain, withOffset, without } from '../tensor-specs.ts';
import { assertCausal } from './gemma.ts';
import { gemma2 } from './gemma2.ts';
import { assertLayerTypesSupported, periodicLayerTypes, slidingAttention } from './layer-types.ts';
import { sandwichDecoder } from './sandwich-decoder.ts';

const layerTypes = periodicLayerTypes(({ sliding_window_pattern: period }) =>
  typeof period === 'number' ? period : 6,
);

type Rope = JsonObject | null | undefined;
const ropeParameters = (config: JsonObject, type: string): Rope =>
  (config['rope_parameters'] as Rope)?.[type] as Rope;

/** Rotary parameters of layers with full attention; older files have rope_theta and rope_scaling. */
const fullRope = (config: JsonObject): JsonObject => ({
  rope_theta: config['rope_theta'] ?? 1e6,
  ...(config['rope_scaling'] as Rope),
  ...ropeParameters(config, 'full_attention'),
});

/** Rotary parameters of sliding layers; older files have rope_local_base_freq. */
const slidingRope = (config: JsonObject): JsonObject => ({
  rope_theta: config['rope_local_base_freq'] ?? 1e4,
  ...ropeParameters(config, 'sliding_attention'),
});

const fullRopeSetting = (name: string, defaultValue: SettingValue): SettingField => ({
  keys: ['rope_parameters', 'rope_theta', 'rope_scaling'],
  read: (config) => (fullRope(config)[name] ?? defaultValue) as SettingValue,
});

const attn = 'model.layers.{layer}.self_attn';

export const gemma3: ModelFamily = {
  ...gemma2,
  id: 'gemma3_text',
  title: 'Gemma 3',
  modelTypes: ['gemma3_text'],
  architecture: 'Gemma3ForCausalLM',
  settings: {
    ...without(gemma2.settings, 'attnLogitSoftcap'),
    finalLogitSoftcap: optional('final_logit_softcapping', null),
    layerTypes: layerTypes.setting,
    ropeTheta: fullRopeSetting('rope_theta', 1e6),
    ropeType: {
      keys: ['rope_parameters', 'rope_scaling'],
      read: (config) => {
        const { rope_type: type, type: oldType } = fullRope(config);
        return (type ?? oldType ?? 'default') as SettingValue;
      },
    },
    ropeFactor: fullRopeSetting('factor', 1),
    ropeLowFreqFactor: fullRopeSetting('low_freq_factor', 1),
    ropeHighFreqFactor: fullRopeSetting('high_freq_factor', 4),
    ropeOriginalPositions: fullRopeSetting('original_max_position_embeddings', 8192),
    ropeLocalTheta: {
      keys: ['rope_parameters', 'rope_local_base_freq'],
      read: (config) => slidingRope(config)['rope_theta'] as SettingValue,
    },
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
  assertSupported(config) {
    assertCausal(config);
    assertLayerTypesSupported(config);
    assertRopeSupported({ rope_scaling: fullRope(config) });
    const slidingType = slidingRope(config)['rope_type'] ?? 'default';
    if (slidingType !== 'default')
      refuse('checkpoint/unsupported', {
        what: `rope type "${JSON.stringify(slidingType)}" of sliding layers`,
        why: 'only rope_theta of these layers is read',
      });
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
      const rope = slides ? { ...s, ropeTheta: s['ropeLocalTheta']!, ropeType: 'default' } : s;
      return m.rotary(m.norm(x, `${name}_norm`), rope);
    }),
};
