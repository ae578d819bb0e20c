/** @file Reads run folders of format version 1: translates their settings and events to version 2. */
import { toText } from '../../base/json.ts';
import { isObject } from '../fs/files.ts';
import { settingTable } from '../../train/settings.ts';
import type { Setting } from '../../train/setting.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Renames keys and drops nothing: a key without an entry keeps its name. */
const renameKeys = (fields: Fields, names: Readonly<Record<string, string>>): Fields =>
  Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [Object.hasOwn(names, key) ? names[key]! : key, value]),
  );

/** The range of a setting in version 1. `above` and `below` are exclusive. */
interface FormerRange {
  readonly above?: number;
  readonly min?: number;
  readonly max?: number;
  readonly below?: number;
}

/**
 * Ranges that were wider in version 1. A value outside of today's range becomes its nearest value: the difference
 * is far below what training can show. Settings that change what a run computes (tokens, batches, lengths) are not
 * listed: such a run is refused.
 */
const formerRanges: Readonly<Record<string, FormerRange>> = {
  lr: { above: 0, max: 10 },
  eps: { min: 0 },
  beta1: { below: 1 },
  beta2: { below: 1 },
  momentum: { below: 1 },
  emaDecay: { below: 1 },
  gradClip: { min: 0 },
  distillTemperature: { above: 0, max: 100 },
  spikeThreshold: { min: 0 },
  rollbackAfter: { min: 1 },
  maxRollbacks: { min: 0 },
  warmupSteps: { min: 0 },
  rewarmSteps: { min: 0 },
  saveEvery: { min: 0 },
  evaluateEvery: { min: 0 },
  sampleEvery: { min: 0 },
  budgetCost: { min: 0 },
  budgetHours: { min: 0 },
  budgetTokens: { min: 0 },
};

const isIn = (value: number, { above, min, max, below }: FormerRange): boolean =>
  (above === undefined || value > above) &&
  (min === undefined || value >= min) &&
  (max === undefined || value <= max) &&
  (below === undefined || value < below);

/** The nearest value that a setting takes today, if version 1 took `value`; otherwise `value`. */
function clampSetting(id: string, row: Setting, value: unknown): unknown {
  const range = Object.hasOwn(formerRanges, id) ? formerRanges[id] : undefined;
  if (!range || row.kind !== 'number' || typeof value !== 'number' || !isIn(value, range)) return value;
  return Math.min(row.max, Math.max(row.min, value));
}

/** `settings` of a settings.json of version 1 under the names and values of version 2. */
export function translateSettings(old: Fields): Fields {
  const settings: Record<string, unknown> = {};
  for (const [id, row] of Object.entries(settingTable) as [string, Setting][]) {
    const value = old[row.former?.id ?? id];
    if (value === undefined) continue;
    const values = row.former?.values ?? {};
    settings[id] =
      typeof value === 'string' && Object.hasOwn(values, value)
        ? values[value]
        : clampSetting(id, row, value);
  }
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
  const name = toText(type);
  const names = Object.hasOwn(eventFields, name) ? eventFields[name]! : {};
  const event: Record<string, unknown> = { type, ...renameKeys(fields, names) };
  if (type === 'stopped' && event['reason'] === 'asked') event['reason'] = 'requested';
  if (type === 'budget' && event['what'] === 'money') event['what'] = 'cost';
  if (type === 'stopped' && isObject(event['error'])) event['error'] = translateError(event['error']);
  return event;
}

/** The error of a run of version 1 that ran out of memory lists settings that fit, under their former names. */
function translateError(error: Fields): Fields {
  const { detail } = error;
  if (!isObject(detail) || !Array.isArray(detail['fits'])) return error;
  return { ...error, detail: { ...detail, fits: detail['fits'].filter(isObject).map(translateFitting) } };
}

function translateFitting(fitting: Fields): Fields {
  if (!isObject(fitting['change'])) return fitting;
  const change = Object.entries(fitting['change']).flatMap(([id, value]) =>
    Object.entries(translateSettings({ [id]: value })),
  );
  const what = change.map(([id, value]) => `${toFlagName(id)} ${toText(value)}`).join(', ');
  return { ...fitting, what, change: Object.fromEntries(change) };
}

/** `microBatch` as `micro-batch`. */
const toFlagName = (id: string): string => id.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
