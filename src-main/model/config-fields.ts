/** @file The fields of a family's table that are read from config.json: sizes and settings. */
import { refuse } from '../base/errors.ts';
import type { Json } from '../base/json.ts';
import type { Dims } from '../tensor/layout.ts';
import type { SettingField, SettingValue, SizeField } from './family.ts';

export interface SizeOptions {
  /** The default of the family's config class in transformers, for a config.json without the key. */
  readonly default?: number;
  /** Computes the size if config.json has null, or has no key and there is no default. */
  readonly fallback?: (dims: Dims) => number;
}

/** A size stored under `name`. It is always written. */
export const size = (name: string, { default: defaultSize, fallback }: SizeOptions = {}): SizeField => ({
  keys: [name],
  read: (config) => (name in config ? config[name] : defaultSize),
  ...(defaultSize === undefined ? {} : { default: defaultSize }),
  ...(fallback ? { fallback } : {}),
  write: (dims, axis) => ({ [name]: dims[axis]! }),
});

/** A size that config.json never stores, computed from other sizes. */
export const derived = (compute: (dims: Dims) => number): SizeField => ({
  keys: [],
  read: () => undefined,
  fallback: compute,
  write: () => ({}),
});

const typeNames: Readonly<Record<string, string>> = {
  number: 'a number',
  boolean: 'true or false',
  string: 'text',
};

/** Refuses a value of another type than `type`, as the config classes of transformers do. */
function checkType<T extends Json>(name: string, value: T, type: string): T {
  if (typeof value === type) return value;
  const why = `is ${JSON.stringify(value)}, which is not ${typeNames[type]!}`;
  return refuse('checkpoint/bad-config', { path: 'config.json', key: name, why });
}

/** A setting stored under `name`; `defaultValue` if it is absent. Refuses null and other types. */
export const setting = (name: string, defaultValue: number | boolean | string): SettingField => ({
  keys: [name],
  default: defaultValue,
  read: (config) =>
    name in config ? (checkType(name, config[name]!, typeof defaultValue) as SettingValue) : defaultValue,
});

/** A setting of this type or null; its default if config.json lacks the key. */
const optionalOf =
  <T extends number | boolean | string>(type: string) =>
  (name: string, defaultValue: T | null): SettingField => ({
    keys: [name],
    default: defaultValue,
    read(config) {
      if (!(name in config)) return defaultValue;
      const value = config[name]!;
      return value === null ? null : (checkType(name, value, type) as T);
    },
  });

/** A number where null means "none". */
export const optional = optionalOf<number>('number');
/** True or false, where null means false. */
export const optionalFlag = optionalOf<boolean>('boolean');
/** Text or null. */
export const optionalText = optionalOf<string>('string');

/** The element type of the weights, under either of its two names. */
export const elementType: SettingField = {
  keys: ['dtype', 'torch_dtype'],
  read: (config) => (config['dtype'] ?? config['torch_dtype'] ?? 'float32') as SettingValue,
};
