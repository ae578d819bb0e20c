/** @file What a row of the settings table is, and everything that is derived from such a table. */
import { z } from 'zod';
import type { Option } from '../base/option.ts';

/** The sections in which a form and the help list the settings, in this order. */
export const settingGroups = {
  length: 'Length and batch',
  text: 'Text',
  optimizer: 'Optimizer',
  schedule: 'Schedule',
  precision: 'Precision and memory',
  averaging: 'Averaging and distillation',
  evaluation: 'Evaluation and checkpoints',
  safety: 'Safety',
  budget: 'Budget',
} as const;
export type SettingGroup = keyof typeof settingGroups;

/** How settings.json of version 1 and the flags of the last release called a setting and its values. */
export interface FormerName {
  readonly id: string;
  readonly values?: Readonly<Record<string, string>>;
}

interface Described {
  readonly label: string;
  /** One sentence: what the setting does. */
  readonly help: string;
  readonly group: SettingGroup;
  readonly former?: FormerName;
  /** True for the settings that a form shows first. */
  readonly isEssential?: boolean;
  /** False for a setting that has a control of its own outside of the form. */
  readonly isInForm?: boolean;
}
interface NumberRow extends Described {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly unit?: string;
}
interface ChoiceRow<T extends string> extends Described {
  readonly default: NoInfer<T>;
  /** Every value with its label, in the order of the form. */
  readonly labels: Readonly<Record<T, string>>;
}
interface TextRow extends Described {
  readonly default: string;
  readonly maxLength: number;
}

export interface NumberSetting extends NumberRow {
  readonly kind: 'number';
  readonly integer: boolean;
}
export interface ChoiceSetting<T extends string = string> extends ChoiceRow<T> {
  readonly kind: 'choice';
}
export interface TextSetting extends TextRow {
  readonly kind: 'text';
}
export type Setting = NumberSetting | ChoiceSetting | TextSetting;
export type SettingTable = Readonly<Record<string, Setting>>;

export const real = (row: NumberRow): NumberSetting => ({ kind: 'number', integer: false, ...row });
export const integer = (row: NumberRow): NumberSetting => ({ kind: 'number', integer: true, ...row });
export const choice = <T extends string>(row: ChoiceRow<T>): ChoiceSetting<T> => ({ kind: 'choice', ...row });
export const text = (row: TextRow): TextSetting => ({ kind: 'text', ...row });

/** The values of a choice that is off or on. */
export const onOff = { off: 'Off', on: 'On' } as const;

type ValueOf<S extends Setting> =
  S extends ChoiceSetting<infer T> ? T : S extends NumberSetting ? number : string;
/** The type of the settings that a table describes. */
export type SettingsOf<T extends SettingTable> = { readonly [K in keyof T]: ValueOf<T[K]> };

/** The default of every setting. */
export const defaultsOf = <T extends SettingTable>(table: T): SettingsOf<T> =>
  Object.fromEntries(Object.entries(table).map(([id, row]) => [id, row.default])) as SettingsOf<T>;

/** The settings that a form shows, as options. */
export function optionsOf(table: SettingTable): readonly Option[] {
  return Object.entries(table).flatMap(([id, row]): Option[] => {
    if (row.isInForm === false) return [];
    const { label, help } = row;
    if (row.kind === 'text')
      return [{ kind: 'text', id, label, help, maxLength: row.maxLength, default: row.default }];
    if (row.kind === 'choice') {
      const choices = Object.entries(row.labels).map(([value, name]) => ({ value, label: name }));
      return [{ kind: 'choice', id, label, help, choices, default: row.default }];
    }
    const { min, max, unit } = row;
    const unitIfAny = unit === undefined ? {} : { unit };
    return [
      { kind: 'number', id, label, help, min, max, integer: row.integer, default: row.default, ...unitIfAny },
    ];
  });
}

/** A schema for each setting: range, whole numbers, the values of a choice. Nothing has a default. */
export function schemasOf<T extends SettingTable>(
  table: T,
): { readonly [K in keyof T]: z.ZodType<ValueOf<T[K]>> } {
  return Object.fromEntries(Object.entries(table).map(([id, row]) => [id, schemaOf(row)])) as never;
}

function schemaOf(row: Setting): z.ZodType {
  if (row.kind === 'text') return z.string().max(row.maxLength);
  if (row.kind === 'choice') return z.enum(Object.keys(row.labels));
  const number = row.integer ? z.number().int() : z.number();
  return number.min(row.min).max(row.max);
}
