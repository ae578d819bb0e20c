/** @file Reads the values of flags. A value that cannot be read is a usage error that names the flag. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { isDatasetName } from '../../base/dataset-name.ts';
import { refuse } from '../../base/errors.ts';
import { readCount } from '../../base/units.ts';
import { getText, type Options } from './command.ts';

export const refuseUsage = (why: string): never => refuse('usage', { why });

/** Reads `hidden=2,ffn=2` as numbers by name. */
export function readSizes(flag: string, text: string, { whole = false } = {}): Record<string, number> {
  const sizes: Record<string, number> = {};
  for (const part of splitList(text, ',')) {
    const [name = '', value = '', ...rest] = part.split('=').map((word) => word.trim());
    const number = readCount(value);
    if (name === '' || number === undefined || number <= 0 || rest.length > 0)
      return refuseUsage(`${flag} "${part}" is not of the form name=number`);
    if (whole && !Number.isInteger(number))
      refuseUsage(`${flag} ${name} is ${value}, which is not a whole number`);
    if (name in sizes) refuseUsage(`${flag} names ${name} twice`);
    sizes[name] = number;
  }
  return Object.keys(sizes).length > 0 ? sizes : refuseUsage(`${flag} names no size`);
}

/** The parts between separators, trimmed, without empty ones. */
const splitList = (text: string, separator: string): readonly string[] =>
  text
    .split(separator)
    .map((part) => part.trim())
    .filter((part) => part !== '');

/** Reads `noise=10` and more as numbers and texts by name. The growth method checks them. */
export function readPairs(flag: string, texts: readonly string[]): Record<string, string | number> {
  const pairs: Record<string, string | number> = {};
  for (const text of texts) {
    const at = text.indexOf('=');
    const name = text.slice(0, at).trim();
    const value = text.slice(at + 1).trim();
    if (at < 1 || value === '') refuseUsage(`${flag} "${text}" is not of the form name=value`);
    pairs[name] = Number.isFinite(Number(value)) ? Number(value) : value;
  }
  return pairs;
}

/** Reads a whole number such as `20`, `1M` or `2.5e6`. */
export function readWhole(flag: string, text: string, min = 0): number {
  const value = readCount(text);
  return value !== undefined && Number.isSafeInteger(value) && value >= min
    ? value
    : refuseUsage(`${flag} is "${text}", which is not a whole number of at least ${min}`);
}

export function readChoice<T extends string>(flag: string, text: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === text);
  return found ?? refuseUsage(`${flag} is "${text}"; it can be ${choices.join(', ')}`);
}

/**
 * Reads `PATH` or `PATH=WEIGHT`. If one has a weight, the others weigh 1. Text that exists as a path is a path: a
 * folder may be called `year=2024`.
 */
export function readData(given: readonly string[]): { readonly data: string[]; readonly weights?: number[] } {
  const matches = given.map((item) =>
    existsSync(resolve(item)) ? null : /^(.+)=(\d+(?:\.\d+)?|\.\d+)$/.exec(item),
  );
  const data = given.map((item, i) => resolveData(matches[i]?.[1] ?? item));
  if (matches.every((match) => match === null)) return { data };
  return { data, weights: matches.map((match) => Number(match?.[2] ?? 1)) };
}

/** The absolute path of a text; the name of a dataset on the Hub stays. */
export const resolveData = (data: string): string => (isDatasetName(data) ? data : resolve(data));

/** The flag of an option: `saveEvery` → `--save-every`. */
export const flagOf = (id: string): string => `--${id.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;

/** The value of a flag as it was typed. `flag` is the current or the former name. */
export interface GivenFlag {
  readonly flag: string;
  readonly text: string;
  readonly isFormer: boolean;
}

/** The value of the flag of `id`, or of its former name. Giving both is a usage error. */
export function findFlag(options: Options, id: string, formerId?: string): GivenFlag | undefined {
  const current = getText(options[id]);
  const former = formerId === undefined ? undefined : getText(options[formerId]);
  if (current !== undefined && former !== undefined)
    refuseUsage(`${flagOf(formerId!)} is the former name of ${flagOf(id)}; give only ${flagOf(id)}`);
  if (current !== undefined) return { flag: flagOf(id), text: current, isFormer: false };
  return former === undefined ? undefined : { flag: flagOf(formerId!), text: former, isFormer: true };
}
