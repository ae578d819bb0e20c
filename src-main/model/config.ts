/**
 * @file config.json to sizes and settings, and back: one list of fields per family, read in both directions;
 * unknown keys are kept.
 */
import { refuse } from '../base/errors.ts';
import type { JsonObject } from '../base/json.ts';
import type { Axis, Dims } from '../tensor/layout.ts';
import type { ModelFamily, Settings } from './family.ts';

/** Sizes above this are taken for a damaged or hostile config. */
const most = 2 ** 31;

/** All sizes of a model, part axes included. `path` names the file in errors. */
export function dimsOf(family: ModelFamily, config: JsonObject, path = 'config.json'): Dims {
  const dims: Record<string, number> = {};
  for (const [axis, parts] of Object.entries(family.parts)) dims[axis] = parts.length;
  for (const [axis, field] of Object.entries(family.dims)) {
    const key = field.keys[0] ?? axis;
    const value = field.read(config, dims) ?? field.fallback?.(dims);
    if (value === undefined || value === null)
      return refuse('checkpoint/bad-config', { path, key, why: 'is missing' });
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > most)
      return refuse('checkpoint/bad-config', {
        path,
        key,
        why: `is ${JSON.stringify(value)}, which is not a whole number above zero`,
      });
    dims[axis] = value;
  }
  return dims;
}

export function settingsOf(family: ModelFamily, config: JsonObject): Settings {
  return Object.fromEntries(
    Object.entries(family.settings).map(([name, field]) => [name, field.read(config)]),
  );
}

/**
 * `config` with the sizes of `dims` written into it, and with its lists over layers where they come from
 * `sources`; every other key stays as it is.
 */
export function configWith(
  family: ModelFamily,
  config: JsonObject,
  dims: Dims,
  sources?: readonly number[],
): JsonObject {
  const changed: Record<string, JsonObject[string]> = { ...config };
  for (const [axis, field] of Object.entries(family.dims)) Object.assign(changed, field.write(dims, axis));
  if (sources && family.remapLayers) Object.assign(changed, family.remapLayers(config, sources));
  return changed;
}

/** Sizes that follow from others are worked out again (head_dim of families that do not state it). */
export function withDerivedDims(family: ModelFamily, dims: Dims): Dims {
  const out: Record<string, number> = { ...dims };
  for (const [axis, field] of Object.entries(family.dims))
    if (field.keys.length === 0) out[axis] = field.fallback!(out);
  return out;
}

/** The constraints that `dims` break. */
export const brokenConstraints = (
  family: ModelFamily,
  dims: Dims,
): readonly { readonly axis: Axis; readonly why: string }[] =>
  family.constraints.filter((c) => !c.holds(dims)).map(({ axis, why }) => ({ axis, why }));
