/**
 * @file Flags as values: sizes, options, counts, training settings. What cannot be read is a usage error that
 * names the flag.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { readCount } from '../../base/units.ts';
import {
  readOption,
  trainingDefaults,
  trainingOptions,
  type Option,
  type TrainingSettings,
} from '../../service/choices.ts';

const usage = (why: string): never => refuse('usage', { why });

/** `hidden=2,ffn=2` as numbers by name. */
export function readSizes(flag: string, text: string, { whole = false } = {}): Record<string, number> {
  const sizes: Record<string, number> = {};
  for (const part of text
    .split(',')
    .map((p) => p.trim())
    .filter((p) => p !== '')) {
    const [name = '', value = '', ...rest] = part.split('=').map((p) => p.trim());
    const number = readCount(value);
    if (name === '' || number === undefined || number <= 0 || rest.length > 0)
      usage(`${flag} "${part}" is not of the form name=number`);
    if (whole && !Number.isInteger(number)) usage(`${flag} ${name} is ${value}, which is not a whole number`);
    if (name in sizes) usage(`${flag} names ${name} twice`);
    sizes[name] = number!;
  }
  return Object.keys(sizes).length ? sizes : usage(`${flag} names no size`);
}

/** `noise=10` and more, as texts and numbers by name; the method checks them. */
export function readPairs(flag: string, texts: readonly string[]): Record<string, string | number> {
  const pairs: Record<string, string | number> = {};
  for (const text of texts) {
    const at = text.indexOf('=');
    const name = text.slice(0, at).trim();
    const value = text.slice(at + 1).trim();
    if (at < 1 || value === '') usage(`${flag} "${text}" is not of the form name=value`);
    pairs[name] = Number.isFinite(Number(value)) ? Number(value) : value;
  }
  return pairs;
}

/** A whole number such as `20`, `1M`, `2.5e6`. */
export function readWhole(flag: string, text: string, min = 0): number {
  const value = readCount(text);
  return value !== undefined && Number.isSafeInteger(value) && value >= min
    ? value
    : usage(`${flag} is "${text}", which is not a whole number of at least ${min}`);
}

export function readChoice<T extends string>(flag: string, text: string, choices: readonly T[]): T {
  return choices.find((c) => c === text) ?? usage(`${flag} is "${text}"; it can be ${choices.join(', ')}`);
}

/** `saveEvery` as `--save-every`. */
export const flagOf = (id: string): string => `--${id.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;

const placeholder = (option: Option): string =>
  option.kind === 'choice'
    ? option.choices.map((c) => c.value).join('|')
    : (option.unit?.toUpperCase() ?? (option.whole ? 'N' : 'X'));

/** The flags of training, from the settings' own description. */
export const trainingFlags = trainingOptions.map((option) => ({
  id: option.id,
  flags: `${flagOf(option.id)} <${placeholder(option)}>`,
  help: `${option.help} (${String(option.otherwise ?? (option.kind === 'number' ? option.off : ''))})`,
}));

/**
 * Data as typed: `PATH`, or `PATH=WEIGHT`; where one has a weight, the others weigh 1. What exists as typed
 * is a path: a folder may be called `year=2024`.
 */
export function readData(given: readonly string[]): { readonly data: string[]; readonly weights?: number[] } {
  const read = given.map((item) => (existsSync(resolve(item)) ? null : /^(.+)=(\d*\.?\d+)$/.exec(item)));
  const data = given.map((item, i) => resolve(read[i]?.[1] ?? item));
  return read.some((match) => match !== null)
    ? { data, weights: read.map((match) => Number(match?.[2] ?? 1)) }
    : { data };
}

/** The settings of training that were given, of those named or of all; counts may be written as `1M`. */
export function readSettings(
  given: Readonly<Record<string, unknown>>,
  named?: readonly string[],
): Partial<TrainingSettings> {
  const settings: Record<string, unknown> = {};
  for (const option of trainingOptions) {
    const text = given[option.id];
    if (typeof text !== 'string' || named?.includes(option.id) === false) continue;
    const read = readOption(option, option.kind === 'number' ? (readCount(text) ?? text) : text);
    if ('why' in read) usage(`${flagOf(option.id)} ${read.why}`);
    else settings[option.id] = read.value;
  }
  return settings;
}

/** What was given over the defaults. */
export const readTraining = (given: Readonly<Record<string, unknown>>): TrainingSettings => ({
  ...trainingDefaults,
  ...readSettings(given),
});
