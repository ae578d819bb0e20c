import { expect, it } from 'vitest';
import { settingGroups, type SettingTable } from '../../../src-main/train/setting.ts';
import { settingTable, trainingDefaults } from '../../../src-main/train/settings.ts';
import { describeSetting, listSettings } from '../../../src-renderer/state/run-settings.ts';

it('lists every setting in its group, and marks those that differ from the default', () => {
  const groups = listSettings({ ...trainingDefaults, lr: 0.02, optimizer: 'muon' });
  expect(groups.map(({ label }) => label)).toEqual(Object.values(settingGroups));
  const rows = groups.flatMap((group) => group.rows);
  expect(new Set(rows.map(({ id }) => id))).toEqual(new Set(Object.keys(settingTable)));
  expect(rows.filter(({ isChanged }) => isChanged).map(({ id }) => id)).toEqual(['lr', 'optimizer']);
  expect(rows.find(({ id }) => id === 'lr')).toMatchObject({ value: '0.02', label: 'Learning rate' });
});

it('writes the unit of every setting in the singular beside 1', () => {
  for (const [id, setting] of Object.entries(settingTable as SettingTable))
    if (setting.kind === 'number' && /[a-z]s$/.test(setting.unit ?? ''))
      expect(describeSetting(setting, 1), id).not.toMatch(/s$/);
});
