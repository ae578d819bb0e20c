import { expect, it } from 'vitest';
import { findPreset, trainingPresets } from '../../src-main/train/presets.ts';
import { trainingDefaults, trainingSettingsSchema } from '../../src-main/train/settings.ts';

it.each(trainingPresets)('$label has valid settings, and is found by them', (preset) => {
  const settings = { ...trainingDefaults, ...preset.changes };
  expect(trainingSettingsSchema.parse(settings)).toEqual(settings);
  expect(findPreset(settings, trainingDefaults)).toBe(preset);
});

it('is none once a setting is changed that is not ignored', () => {
  const settings = { ...trainingDefaults, seed: 1, device: 'cpu' as const };
  expect(findPreset(settings, trainingDefaults)).toBeUndefined();
  expect(findPreset(settings, trainingDefaults, ['seed', 'device'])?.id).toBe('continue');
});
