/** @file Reads run folders of format version 1: translates their settings and events to version 2. */
import { isObject } from '../fs/files.ts';
import { settingTable } from '../../train/settings.ts';
import type { Setting } from '../../train/setting.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Renames keys and drops nothing: a key without an entry keeps its name. */
const renameKeys = (fields: Fields, names: Readonly<Record<string, string>>): Fields =>
  Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [Object.hasOwn(names, key) ? names[key]! : key, value]),
  );

/** `settings` of a settings.json of version 1 under the names and values of version 2. */
export function translateSettings(old: Fields): Fields {
  const settings: Record<string, unknown> = {};
  for (const [id, row] of Object.entries(settingTable) as [string, Setting][]) {
    const value = old[row.former?.id ?? id];
    if (value === undefined) continue;
    const values = row.former?.values ?? {};
    settings[id] = typeof value === 'string' && Object.hasOwn(values, value) ? values[value] : value;
  }
  // Version 1 allowed an epsilon of 0, which the table does not.
  if (settings['eps'] === 0) settings['eps'] = settingTable.eps.min;
  if (Array.isArray(old['phases']))
    settings['phases'] = old['phases'].filter(isObject).map(({ schedule, warmup, ...phase }) => ({
      ...phase,
      schedule: schedule === 'fall' ? 'decay' : schedule,
      warmupSteps: warmup,
    }));
  return settings;
}

/** Fields that have new names, by the type of the event in version 2. */
const eventFields: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  started: { carried: 'momentUpdates' },
  step: { norm: 'gradNorm', ratio: 'updateRatio' },
  averaged: { which: 'weights' },
  usage: { power: 'powerSource', money: 'cost' },
  measured: { told: 'estimated' },
};

/** An event of version 1, which has `at` in the place of `type`, as one of version 2. */
export function translateEvent({ at, ...fields }: Fields): Fields {
  const type = at === 'reading' ? 'usage' : at;
  const names = eventFields[String(type)] ?? {};
  const event: Record<string, unknown> = { type, ...renameKeys(fields, names) };
  if (type === 'stopped' && event['reason'] === 'asked') event['reason'] = 'requested';
  if (type === 'budget' && event['what'] === 'money') event['what'] = 'cost';
  return event;
}
