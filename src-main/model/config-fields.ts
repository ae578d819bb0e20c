/** @file The fields of a family's table that are read from config.json: sizes and settings. */
import type { Dims } from '../tensor/layout.ts';
import type { SettingField, SettingValue, SizeField } from './family.ts';

/** A size stored under `name`. If it is absent or null, `fallback` computes it; it is always written. */
export const size = (name: string, fallback?: (dims: Dims) => number): SizeField => ({
  keys: [name],
  read: (config) => config[name] ?? undefined,
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

/** A setting stored under `name`; `defaultValue` if it is absent, null or an object. */
export const setting = (name: string, defaultValue: SettingValue): SettingField => ({
  keys: [name],
  read: (config) => {
    const value = config[name];
    if (value === undefined || value === null || typeof value === 'object') return defaultValue;
    return value;
  },
});

/** A number where null means "none"; `defaultValue` if config.json lacks the key. */
export const optional = (name: string, defaultValue: number | null): SettingField => ({
  keys: [name],
  read: (config) => (config[name] === undefined ? defaultValue : (config[name] as SettingValue)),
});

/** The element type of the weights, under either of its two names. */
export const elementType: SettingField = {
  keys: ['dtype', 'torch_dtype'],
  read: (config) => (config['dtype'] ?? config['torch_dtype'] ?? 'float32') as SettingValue,
};
