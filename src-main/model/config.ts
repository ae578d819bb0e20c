/**
 * @file Reads sizes and settings from config.json and writes sizes back, with the fields of the family. Unknown
 * keys are kept.
 */
import { refuse } from '../base/errors.ts';
import type { JsonObject } from '../base/json.ts';
import type { Axis, Dims } from '../tensor/layout.ts';
import type { ModelFamily } from './family.ts';
import type { Settings } from './settings.ts';
import { without } from './tensor-specs.ts';

/** A larger size means a damaged or hostile config. */
const maxSize = 2 ** 31;

/** All names of config.json keys that transformers reads besides the family's own, with the latter. */
const otherNamesOf = ({ attributeMap, formerNames }: ModelFamily): Readonly<Record<string, string>> => ({
  ...attributeMap,
  ...formerNames,
});

/** `config` with the family's own names of keys that transformers reads under other names too. */
export function withOwnNames(family: ModelFamily, config: JsonObject): JsonObject {
  const names = otherNamesOf(family);
  const others = Object.keys(names).filter((name) => name in config);
  if (others.length === 0) return config;
  const own = Object.fromEntries(others.map((name) => [names[name]!, config[name]!]));
  return { ...without(config, ...others), ...own };
}

/** All sizes of a model, including axes of fused weights. `path` names the file in errors. */
export function dimsOf(family: ModelFamily, given: JsonObject, path = 'config.json'): Dims {
  const config = withOwnNames(family, given);
  const dims: Record<string, number> = {};
  for (const [axis, parts] of Object.entries(family.parts)) dims[axis] = parts.length;
  for (const [axis, field] of Object.entries(family.dims)) {
    const key = field.keys[0] ?? axis;
    const value = field.read(config, dims) ?? field.fallback?.(dims) ?? config[key];
    if (value === undefined) return refuse('checkpoint/bad-config', { path, key, why: 'is missing' });
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > maxSize)
      return refuse('checkpoint/bad-config', {
        path,
        key,
        why: `is ${JSON.stringify(value)}, which is not a whole number above zero`,
      });
    dims[axis] = value;
  }
  return dims;
}

export function settingsOf(family: ModelFamily, given: JsonObject): Settings {
  const config = withOwnNames(family, given);
  return Object.fromEntries(
    Object.entries(family.settings).map(([name, field]) => [name, field.read(config)]),
  );
}

/** `own`, whose keys are the family's names, under the names that `given` has for them, in its order. */
function withGivenNames(family: ModelFamily, given: JsonObject, own: JsonObject): JsonObject {
  const others = Object.entries(otherNamesOf(family)).filter(([other]) => other in given);
  if (others.length === 0) return own;
  const ownNames = new Map(others);
  const renamed = new Set(others.map(([, name]) => name).filter((name) => !(name in given)));
  const kept = Object.keys(given).map((key) => [key, own[ownNames.get(key) ?? key]!]);
  const added = Object.entries(own).filter(([key]) => !(key in given) && !renamed.has(key));
  return Object.fromEntries([...kept, ...added]) as JsonObject;
}

/**
 * `config` with the sizes `dims`. With `sources`, keys that list one value per layer are rewritten too: layer
 * i takes the value of layer `sources[i]`. Every other key stays as it is, and a size keeps the name that it has.
 */
export function configWith(
  family: ModelFamily,
  config: JsonObject,
  dims: Dims,
  sources?: readonly number[],
): JsonObject {
  const own = withOwnNames(family, config);
  const changed: Record<string, JsonObject[string]> = { ...own };
  for (const [axis, field] of Object.entries(family.dims)) Object.assign(changed, field.write(dims, axis));
  if (sources && family.remapLayers) Object.assign(changed, family.remapLayers(own, sources));
  return withGivenNames(family, config, changed);
}

/** The config keys of sizes that a config.json lacks, with the defaults that `dimsOf` uses for them. */
export const defaultSizes = (family: ModelFamily, config: JsonObject): ReadonlyMap<string, number> => {
  const given = withOwnNames(family, config);
  const absent = Object.values(family.dims).filter(({ keys: [key] }) => key !== undefined && !(key in given));
  return new Map(
    absent.flatMap((field) => (field.default === undefined ? [] : [[field.keys[0]!, field.default]])),
  );
};

/** `dims` with derived sizes computed again, such as head_dim in families that do not store it. */
export function withDerivedDims(family: ModelFamily, dims: Dims): Dims {
  const out: Record<string, number> = { ...dims };
  for (const [axis, field] of Object.entries(family.dims))
    if (field.keys.length === 0) out[axis] = field.fallback!(out);
  return out;
}

/** The constraints of the family that `dims` do not satisfy. */
export const brokenConstraints = (
  family: ModelFamily,
  dims: Dims,
): readonly { readonly axis: Axis; readonly why: string }[] =>
  family.constraints.filter((c) => !c.holds(dims)).map(({ axis, why }) => ({ axis, why }));
