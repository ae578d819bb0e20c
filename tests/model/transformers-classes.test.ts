import { describe, expect, it } from 'vitest';
import { AppError } from '../../src-main/base/errors.ts';
import type { Json, JsonObject } from '../../src-main/base/json.ts';
import { configWith, dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { families, familyById } from '../../src-main/model/families/index.ts';
import type { SettingName } from '../../src-main/model/family.ts';
import { readConfig } from '../../src-main/model/read-config.ts';
import { without } from '../../src-main/model/tensor-specs.ts';
import { configOfCase, readTransformersFixture, type ConfigCase } from '../support/transformers.ts';

interface Field {
  readonly types: readonly string[];
  readonly default: Json;
}

/** What the classes of a family in transformers say about themselves. */
interface Classes {
  readonly architecture: string;
  readonly attribute_map: Readonly<Record<string, string>>;
  readonly base_model_prefix: string;
  readonly fields: Readonly<Record<string, Field>>;
}

/** A config.json, and the sizes that transformers reads from it by their standard names, or its error. */
interface SizeCase extends ConfigCase {
  readonly sizes?: Readonly<Record<string, number>>;
  readonly error?: string;
}

const classes = readTransformersFixture<Classes>('classes.json');
const sizeCases = readTransformersFixture<{ base: JsonObject; cases: SizeCase[] }>('configs.json');

/** Fields whose default in Cambium follows from others, or that read several keys. */
const isDerived = (id: string, name: string): boolean =>
  /^(rope|partialRotaryFactor|rotatedLayers|layerTypes|sequentialResidual|dtype)/.test(name) ||
  (name === 'window' && id.startsWith('qwen')) ||
  // Old files say "gelu" but mean its approximation.
  (name === 'activation' && id === 'gemma');

it('covers every family', () => {
  expect(Object.keys(classes).sort()).toEqual([...families.keys()].sort());
});

describe.each(Object.entries(classes))('%s', (id, { architecture, attribute_map: map, fields }) => {
  const family = familyById(id);
  const { base, cases } = sizeCases[id]!;

  it('names the class and the other names of its keys', () => {
    expect(family.architecture).toBe(architecture);
    const own = Object.entries(map).map(([from, to]) => (to in fields ? [from, to] : [to, from]));
    expect(family.attributeMap ?? {}).toEqual(Object.fromEntries(own));
  });

  it('has the default of the class for every size', () => {
    const found = Object.values(family.dims).flatMap((field) => {
      const [key] = field.keys;
      return key === undefined ? [] : [[key, field.default ?? null] as const];
    });
    const expected = found.map(([key]) => [key, fields[key]?.default ?? null] as const);
    expect(found).toEqual(expected);
  });

  it('writes the whole numbers of fields that are floats as floats', () => {
    const isWholeFloat = ({ types, default: value }: Field): boolean =>
      types.join() === 'number' && Number.isInteger(value);
    const keys = Object.keys(fields).filter((key) => isWholeFloat(fields[key]!));
    expect(keys.filter((key) => !(family.floatKeys ?? []).includes(key))).toEqual([]);
  });

  const settings = Object.entries(family.settings).filter(
    ([name, { keys }]) => keys[0] !== undefined && !isDerived(id, name),
  );

  it.each(settings)('has the default of the class for %s', (name, { keys }) => {
    const field = fields[keys[0]!]!;
    expect(field, keys[0]).toBeDefined();
    const config = without(base, keys[0]!) as JsonObject;
    expect(settingsOf(family, config)[name as SettingName]).toBe(field.default);
  });

  it.each(settings)('refuses another type for %s, and null unless the class has it', (_, { keys, read }) => {
    const key = keys[0]!;
    const { types } = fields[key]!;
    const readValue = (value: Json): unknown => read({ ...base, [key]: value });
    if (types.includes('null')) expect(readValue(null)).toBeNull();
    else expect(() => readValue(null)).toThrow(AppError);
    expect(() => readValue(types.includes('string') ? 1 : 'true')).toThrow(AppError);
    expect(() => readValue([])).toThrow(AppError);
  });

  const keysRead = [...Object.values(family.dims), ...Object.values(family.settings)].flatMap(
    ({ keys }) => keys,
  );
  const isRead = ({ set, removed }: SizeCase): boolean =>
    [...Object.keys(set), ...removed].every(
      (key) => keysRead.includes(key) || key in map || key.startsWith('sliding'),
    );
  const labelled = cases
    .filter(isRead)
    // Some classes compute a head_dim of null; in the others it can mean nothing else.
    .filter(({ set, error }) => !(error !== undefined && set['head_dim'] === null))
    // Post-norm OPT without projections is not supported.
    .filter(({ removed }) => !(id === 'opt-projected' && removed.includes('word_embed_proj_dim')))
    .filter(({ set }) => !(id === 'opt-projected' && set['word_embed_proj_dim'] === null))
    .map((one) => [JSON.stringify({ ...one.set, removed: one.removed }), one] as const);

  it.each(labelled.filter(([, one]) => one.sizes))('reads the sizes of transformers: %s', (_, one) => {
    const { config } = readConfig(family, configOfCase(base, one));
    const dims = dimsOf(family, config);
    const written = configWith(family, {}, dims);
    for (const [key, value] of Object.entries(written)) {
      const expected = one.sizes![standardName(map, key)];
      // A class that leaves a size null computes it where it is used.
      if (expected !== undefined) expect(value, key).toBe(expected);
    }
    expect(readConfig(family, config)).toEqual({ config, notes: [] });
  });

  it.each(labelled.filter(([, one]) => one.error !== undefined))('refuses %s, as transformers', (_, one) => {
    const read = (): unknown => {
      const { config } = readConfig(family, configOfCase(base, one));
      return [dimsOf(family, config), settingsOf(family, config)];
    };
    expect(read).toThrow(AppError);
  });
});

/** The name in the fixture for a key of the family. */
const standardName = (map: Readonly<Record<string, string>>, key: string): string => {
  const other = Object.entries(map).find(([, own]) => own === key)?.[0] ?? key;
  return other === 'num_local_experts' ? 'num_experts' : other;
};
