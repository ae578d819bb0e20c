/** @file Sizes and settings survive a round trip through the config.json of every golden checkpoint. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src-main/base/json.ts';
import { configWith, dimsOf, settingsOf, withDerivedDims } from '../../src-main/model/config.ts';
import { families, familyOf } from '../../src-main/model/families/index.ts';
import { goldenCases, loadGolden } from '../support/golden.ts';

describe.each(goldenCases)('%s', (name) => {
  const config: JsonObject = { ...loadGolden(name).config, unknown_key: { kept: [1, 2] } };
  const family = familyOf(config);
  const dims = dimsOf(family, config);
  const sizeKeys = new Set(Object.values(family.dims).flatMap((field) => field.keys));

  it('writing the same sizes changes no key, except that null sizes are filled in', () => {
    const written = configWith(family, config, dims);
    for (const [key, value] of Object.entries(config))
      if (!sizeKeys.has(key) || value !== null) expect(written[key], key).toEqual(value);
    expect(dimsOf(family, written)).toEqual(dims);
  });

  it('doubled sizes are read back, and all other keys stay', () => {
    const doubled = ['hidden', 'ffn', 'heads', 'kv_heads'];
    const grownDims = withDerivedDims(
      family,
      Object.fromEntries(
        Object.entries(dims).map(([axis, size]) => [axis, doubled.includes(axis) ? 2 * size : size]),
      ),
    );
    const grown = configWith(family, config, grownDims);
    expect(dimsOf(family, grown)).toEqual(grownDims);
    for (const [key, value] of Object.entries(config))
      if (!sizeKeys.has(key)) expect(grown[key], key).toEqual(value);
    expect(settingsOf(family, grown)).toEqual(settingsOf(family, config));
  });

  it('keys that list one value per layer follow their source layers', () => {
    const layers = dims['layers']!;
    const sources = [...Array.from({ length: layers }, (_, i) => i), layers - 1, 0];
    const grown = configWith(family, config, { ...dims, layers: layers + 2 }, sources);
    expect(dimsOf(family, grown)['layers']).toBe(layers + 2);
    const types = settingsOf(family, config)['layerTypes'];
    if (Array.isArray(types))
      expect(settingsOf(family, grown)['layerTypes']).toEqual(
        sources.map((source) => (types as readonly string[])[source]),
      );
    for (const [key, value] of Object.entries(grown)) {
      const before = config[key];
      if (Array.isArray(value) && Array.isArray(before) && value.length !== before.length)
        expect(value, key).toHaveLength(layers + 2);
    }
  });
});

/** A golden config of each family whose class has an `attribute_map`, under the names of that map. */
const renamedConfigs = goldenCases.flatMap((name) => {
  const { config } = loadGolden(name);
  const map = families.get(familyOf(config).id)?.attributeMap ?? {};
  const others = Object.entries(map).filter(([other, own]) => own in config && !(other in config));
  if (others.length === 0) return [];
  const otherNames = new Map(others.map(([other, own]) => [own, other]));
  const renamed = Object.entries(config).map(([key, value]) => [otherNames.get(key) ?? key, value]);
  return [[name, config, Object.fromEntries(renamed) as JsonObject, others] as const];
});

describe.each(renamedConfigs)('%s under the names of attribute_map', (_, config, renamed, others) => {
  const family = familyOf(config);
  const dims = dimsOf(family, config);

  it('has the same sizes and settings', () => {
    expect(dimsOf(family, renamed)).toEqual(dims);
    expect(settingsOf(family, renamed)).toEqual(settingsOf(family, config));
  });

  it('is written under the names that it has, in the same order', () => {
    const written = configWith(family, renamed, { ...dims, hidden: 2 * dims['hidden']! });
    expect(Object.keys(written).slice(0, Object.keys(renamed).length)).toEqual(Object.keys(renamed));
    for (const [other, own] of others) {
      expect(written).toHaveProperty(other);
      expect(written).not.toHaveProperty(own);
    }
    expect(dimsOf(family, written)['hidden']).toBe(2 * dims['hidden']!);
  });

  it('lets them win over the own names, as transformers does, and writes both', () => {
    const [other, own] = others[0]!;
    const both = { ...config, [other]: config[own]!, [own]: 1 };
    expect(dimsOf(family, both)).toEqual(dims);
    const written = configWith(family, both, dims);
    expect([written[other], written[own]]).toEqual([config[own], config[own]]);
  });
});
