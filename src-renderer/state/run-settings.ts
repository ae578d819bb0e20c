/** @file The settings of a run as a list by group, with those that differ from their default. */
import { formatInteger, formatUnit } from '../../src-main/base/format.ts';
import { settingGroups, type Setting, type SettingGroup } from '../../src-main/train/setting.ts';
import { settingTable, trainingDefaults, type TrainingSettings } from '../../src-main/train/settings.ts';

export interface SettingRow {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  /** The default. */
  readonly initial: string;
  readonly isChanged: boolean;
}
export interface SettingRows {
  readonly id: SettingGroup;
  readonly label: string;
  readonly rows: readonly SettingRow[];
}

/** The value of a setting, in words. */
export function describeSetting(setting: Setting, value: unknown): string {
  if (setting.kind === 'choice') return setting.labels[String(value)] ?? String(value);
  if (setting.kind === 'text') return value === '' ? 'none' : String(value);
  const number = Number(value);
  const unit = setting.unit === undefined ? '' : ` ${formatUnit(number, setting.unit)}`;
  const isShort = number === 0 || (Math.abs(number) < 10_000 && Math.abs(number) >= 1e-3);
  if (isShort) return `${number}${unit}`;
  return `${setting.integer ? formatInteger(number) : number.toExponential().replace('e+', 'e')}${unit}`;
}

/** The settings of every group, in the order of the form. */
export function listSettings(settings: TrainingSettings): readonly SettingRows[] {
  const rows = Object.entries(settingTable as Readonly<Record<string, Setting>>).map(([id, setting]) => {
    const value = settings[id as keyof TrainingSettings];
    const initial = trainingDefaults[id as keyof TrainingSettings];
    const row: SettingRow = {
      id,
      label: setting.label,
      value: describeSetting(setting, value),
      initial: describeSetting(setting, initial),
      isChanged: value !== initial,
    };
    return { group: setting.group, row };
  });
  return (Object.keys(settingGroups) as SettingGroup[]).map((id) => ({
    id,
    label: settingGroups[id],
    rows: rows.filter(({ group }) => group === id).map(({ row }) => row),
  }));
}
