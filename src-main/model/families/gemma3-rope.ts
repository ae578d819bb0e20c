/** @file The two sets of rotary parameters in a Gemma 3 config.json: for full attention and for sliding layers. */
import type { JsonObject } from '../../base/json.ts';
import type { ModelFamily, SettingField, SettingValue } from '../family.ts';

type Rope = JsonObject | null | undefined;

const ropeParameters = (config: JsonObject, layerType: string): Rope =>
  (config['rope_parameters'] as Rope)?.[layerType] as Rope;

/** Older files have rope_theta and rope_scaling. */
export const fullRope = (config: JsonObject): JsonObject => ({
  rope_theta: config['rope_theta'] ?? 1e6,
  ...(config['rope_scaling'] as Rope),
  ...ropeParameters(config, 'full_attention'),
});

/** Older files have rope_local_base_freq. */
export const slidingRope = (config: JsonObject): JsonObject => ({
  rope_theta: config['rope_local_base_freq'] ?? 1e4,
  ...ropeParameters(config, 'sliding_attention'),
});

const fullRopeSetting = (name: string, defaultValue: SettingValue): SettingField => ({
  keys: ['rope_parameters', 'rope_theta', 'rope_scaling'],
  read: (config) => (fullRope(config)[name] ?? defaultValue) as SettingValue,
});

/** Sliding layers only have a base of their own: `ropeLocalTheta`. */
export const gemma3RopeSettings: ModelFamily['settings'] = {
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
};
