/** @file The table of training settings: label, help, range, default and former name of each, by group. */
import { averagingSettings } from './setting-groups/averaging.ts';
import { budgetSettings } from './setting-groups/budget.ts';
import { evaluationSettings } from './setting-groups/evaluation.ts';
import { lengthSettings } from './setting-groups/length.ts';
import { optimizerSettings } from './setting-groups/optimizer.ts';
import { precisionSettings } from './setting-groups/precision.ts';
import { safetySettings } from './setting-groups/safety.ts';
import { scheduleSettings } from './setting-groups/schedule.ts';
import { textSettings } from './setting-groups/text.ts';
import type { SettingTable } from './setting.ts';

export { scheduleLabels, type Schedule } from './setting-groups/schedule.ts';

export const settingTable = {
  ...lengthSettings,
  ...textSettings,
  ...optimizerSettings,
  ...scheduleSettings,
  ...precisionSettings,
  ...averagingSettings,
  ...evaluationSettings,
  ...safetySettings,
  ...budgetSettings,
};
settingTable satisfies SettingTable;
