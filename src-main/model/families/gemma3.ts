/**
 * @file Gemma 3, text: Gemma 2 with norms on queries and keys instead of bounded scores, and rotary bases of
 * their own for sliding layers. Agrees with transformers' modeling_gemma3.py.
 */
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import {
  outputGain,
  optional,
  withOffset,
  without,
  type ModelFamily,
  type SettingField,
  type SettingValue,
} from '../family.ts';
import { refuseRope } from '../rope.ts';
import { refuseBidirectional } from './gemma.ts';
import { gemma2, refuseLayerTypes, sandwichDecoder, slidingPattern } from './gemma2.ts';

const ofPattern = slidingPattern((config) =>
  typeof config['sliding_window_pattern'] === 'number' ? config['sliding_window_pattern'] : 6,
);

/**
 * Rotary settings of one kind of layer: `rope_parameters` holds one set for each; older files have
 * `rope_theta`, `rope_scaling` and `rope_local_base_freq`.
 */
const ropeOf = (config: JsonObject, kind: 'full_attention' | 'sliding_attention'): JsonObject => {
  const said = (config['rope_parameters'] as JsonObject | null | undefined)?.[kind] as
    JsonObject | null | undefined;
  return kind === 'full_attention'
    ? {
        rope_theta: config['rope_theta'] ?? 1e6,
        ...(config['rope_scaling'] as JsonObject | null | undefined),
        ...said,
      }
    : { rope_theta: config['rope_local_base_freq'] ?? 1e4, ...said };
};
const full = (name: string, otherwise: SettingValue): SettingField => ({
  keys: ['rope_parameters', 'rope_theta', 'rope_scaling'],
  read: (c) => (ropeOf(c, 'full_attention')[name] ?? otherwise) as SettingValue,
});

const settings = without(gemma2.settings, 'attnLogitSoftcap');
const at = 'model.layers.{layer}.self_attn.';

export const gemma3: ModelFamily = {
  ...gemma2,
  id: 'gemma3_text',
  title: 'Gemma 3',
  modelTypes: ['gemma3_text'],
  architecture: 'Gemma3ForCausalLM',
  settings: {
    ...settings,
    finalLogitSoftcap: optional('final_logit_softcapping', null),
    layerTypes: ofPattern.setting,
    ropeTheta: full('rope_theta', 1e6),
    ropeType: {
      keys: ['rope_parameters', 'rope_scaling'],
      read: (c) => {
        const rope = ropeOf(c, 'full_attention');
        return (rope['rope_type'] ?? rope['type'] ?? 'default') as SettingValue;
      },
    },
    ropeFactor: full('factor', 1),
    ropeLow: full('low_freq_factor', 1),
    ropeHigh: full('high_freq_factor', 4),
    ropeOriginal: full('original_max_position_embeddings', 8192),
    ropeLocalTheta: {
      keys: ['rope_parameters', 'rope_local_base_freq'],
      read: (c) => ropeOf(c, 'sliding_attention')['rope_theta'] as SettingValue,
    },
  },
  scores: { ...gemma2.scores, between: ['self_attn.q_norm', 'self_attn.k_norm'] },
  tensors: {
    ...gemma2.tensors,
    ...withOffset(
      {
        [`${at}q_norm.weight`]: outputGain(`${at}q_proj.weight`, 'head_dim'),
        [`${at}k_norm.weight`]: outputGain(`${at}k_proj.weight`, 'head_dim'),
      },
      1,
    ),
  },
  remapLayers: ofPattern.perLayer,
  assertSupported(config) {
    refuseBidirectional(config);
    refuseLayerTypes(config);
    refuseRope({ rope_scaling: ropeOf(config, 'full_attention') });
    const local = ropeOf(config, 'sliding_attention')['rope_type'] ?? 'default';
    if (local !== 'default')
      refuse('checkpoint/unsupported', {
        what: `rope type "${JSON.stringify(local)}" of sliding layers`,
        why: 'only their base is read',
      });
    if ((config['attn_logit_softcapping'] ?? null) !== null)
      refuse('checkpoint/unsupported', {
        what: 'attn_logit_softcapping',
        why: 'transformers reads it and does not compute it',
      });
  },
  forward: (m, tokens) =>
    sandwichDecoder(m, tokens, {
      turn: (x, name, layer, s) =>
        m.rotary(
          m.norm(x, `${name}_norm`),
          (s['layerTypes'] as readonly string[])[layer] === 'sliding_attention'
            ? { ...s, ropeTheta: s['ropeLocalTheta']!, ropeType: 'default' }
            : s,
        ),
    }),
};
