/** @file The sliding window where `use_sliding_window` turns it on (Qwen and its variants). */
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { optional } from '../config-fields.ts';
import type { SettingField } from '../family.ts';
import { slidingAttention } from '../layer-type-names.ts';

export const hasWindow = (config: JsonObject): boolean =>
  config['use_sliding_window'] === true && typeof config['sliding_window'] === 'number';

const size = optional('sliding_window', null);

export const windowField: SettingField = {
  keys: ['sliding_window', 'use_sliding_window'],
  read(config) {
    const window = size.read(config);
    return config['use_sliding_window'] === true ? window : null;
  },
};

/** Refuses sliding layers of a model without a window. */
export function assertWindowUsed(
  config: JsonObject,
  isUsed: (config: JsonObject) => boolean = hasWindow,
): void {
  const list = config['layer_types'];
  if (Array.isArray(list) && list.includes(slidingAttention) && !isUsed(config))
    refuse('checkpoint/unsupported', {
      what: 'layer_types',
      why: 'it lists sliding_attention, but use_sliding_window is false or there is no sliding_window',
    });
}
