/**
 * @file config.json in both directions, for every golden checkpoint's family: what is written is read back,
 * and nothing else changes.
 */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src-main/base/json.ts';
import { configWith, dimsOf, settingsOf, withDerivedDims } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { loadGolden, goldenCases } from '../support/golden.ts';

describe.each(goldenCases)('%s', (name) => {
  const config: JsonObject = { ...loadGolden(name).config, of_a_later_version: { kept: [1, 2] } };
  const family = familyOf(config);
  const dims = dimsOf(family, config);
  const own = new Set(Object.values(family.dims).flatMap((field) => field.keys));

  it('the same sizes change nothing that was said', () => {
    const again = configWith(family, config, dims);
    expect(Object.fromEntries(Object.keys(config).map((key) => [key, again[key]]))).toEqual(
      Object.fromEntries(
        Object.entries(config).map(([key, value]) => [
          key,
          own.has(key) && value === null ? again[key] : value,
        ]),
      ),
    );
    expect(dimsOf(family, again)).toEqual(dims);
  });

  it('doubled sizes are read back, and every other key stays', () => {
    const wanted = withDerivedDims(
      family,
      Object.fromEntries(
        Object.entries(dims).map(([axis, size]) => [
          axis,
          ['hidden', 'ffn', 'heads', 'kv_heads'].includes(axis) ? 2 * size : size,
        ]),
      ),
    );
    const grown = configWith(family, config, wanted);
    expect(dimsOf(family, grown)).toEqual(wanted);
    for (const [key, value] of Object.entries(config))
      if (!own.has(key)) expect(grown[key], key).toEqual(value);
    expect(settingsOf(family, grown)).toEqual(settingsOf(family, config));
  });

  it('more layers are listed where layers are told apart', () => {
    const layers = dims['layers']!;
    const sources = [...Array.from({ length: layers }, (_, i) => i), layers - 1, 0];
    const grown = configWith(family, config, { ...dims, layers: layers + 2 }, sources);
    expect(dimsOf(family, grown)['layers']).toBe(layers + 2);
    const [before, after] = [
      settingsOf(family, config)['layerTypes'],
      settingsOf(family, grown)['layerTypes'],
    ];
    if (Array.isArray(before))
      expect(after).toEqual(sources.map((source) => (before as readonly string[])[source]));
    for (const [key, value] of Object.entries(grown))
      if (Array.isArray(value) && Array.isArray(config[key]) && value.length !== config[key].length)
        expect(value).toHaveLength(layers + 2);
  });
});
