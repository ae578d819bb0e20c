/**
 * @file The flags of training settings, derived from the table of settings. The flags of the last release are
 * hidden aliases.
 */
import { Option as Flag, type Command } from 'commander';
import { readOption } from '../../base/option.ts';
import {
  optionsOf,
  settingGroups,
  settingTable,
  trainingDefaults,
  type Setting,
  type TrainingSettings,
} from '../../service/catalog.ts';
import { findFlag, flagOf, refuseUsage } from './arguments.ts';
import type { Options } from './command.ts';

export type SettingId = keyof typeof settingTable;

const rows: Readonly<Record<SettingId, Setting>> = settingTable;
export const settingIds = Object.keys(rows) as readonly SettingId[];

/** Adds the flags of `ids` in the order of the groups. `help` replaces the help of some. */
export function addSettingFlags(
  command: Command,
  ids: readonly SettingId[] = settingIds,
  help: Readonly<Partial<Record<SettingId, string>>> = {},
): Command {
  const groups = Object.keys(settingGroups);
  const groupOf = (id: SettingId): number => groups.indexOf(rows[id].group);
  for (const id of [...ids].sort((a, b) => groupOf(a) - groupOf(b))) addSettingFlag(command, id, help[id]);
  return command;
}

function addSettingFlag(command: Command, id: SettingId, help?: string): void {
  const row = rows[id];
  const value = `<${placeholderOf(row)}>`;
  const described = help ?? `${row.help}${row.default === '' ? '' : ` (default: ${row.default})`}`;
  command.addOption(new Flag(`${flagOf(id)} ${value}`, described).helpGroup(`${settingGroups[row.group]}:`));
  if (row.former) addFormerFlag(command, row.former.id);
}

/** Adds a flag of the last release, which the help does not show. */
export const addFormerFlag = (command: Command, id: string): Command =>
  command.addOption(new Flag(`${flagOf(id)} <value>`).hideHelp());

/** `off|on` for a choice; the unit of a number if it is one word. */
function placeholderOf(row: Setting): string {
  if (row.kind === 'text') return 'text';
  if (row.kind === 'choice') return Object.keys(row.labels).join('|');
  const { unit = '', integer } = row;
  if (/^[a-z]+$/.test(unit)) return unit;
  return integer ? 'n' : 'x';
}

/** The settings that were given, of `ids`. Counts may be written as `1M`. */
export function readSettings(
  options: Options,
  ids: readonly SettingId[] = settingIds,
): Partial<TrainingSettings> {
  const settings: Record<string, unknown> = {};
  for (const id of ids) {
    const value = readSetting(options, id);
    if (value !== undefined) settings[id] = value;
  }
  return settings;
}

function readSetting(options: Options, id: SettingId): string | number | null | undefined {
  const row = rows[id];
  const given = findFlag(options, id, row.former?.id);
  if (!given) return undefined;
  const { flag, text, isFormer } = given;
  const [option] = optionsOf({ [id]: { ...row, isInForm: true } });
  const value = isFormer ? (row.former?.values?.[text] ?? text) : text;
  const read = readOption(option!, value);
  return 'problem' in read ? refuseUsage(`${flag}: ${read.problem}, not "${text}"`) : read.value;
}

/** All settings: those that were given, and defaults. */
export const readTraining = (options: Options, ids?: readonly SettingId[]): TrainingSettings => ({
  ...trainingDefaults,
  ...readSettings(options, ids),
});
