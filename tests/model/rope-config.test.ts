import { describe, expect, it } from 'vitest';
import { AppError } from '../../src-main/base/errors.ts';
import type { JsonObject } from '../../src-main/base/json.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { families, familyById } from '../../src-main/model/families/index.ts';
import { readRope, unifyRope } from '../../src-main/model/rope-config.ts';
import { ropeFrequencies, withLocalRope } from '../../src-main/model/rope-frequencies.ts';
import { rotatedWidth } from '../../src-main/model/rotary.ts';
import type { Settings } from '../../src-main/model/settings.ts';
import { configOfCase, readTransformersFixture, type ConfigCase } from '../support/transformers.ts';

/** A config.json, and the frequencies by layer type that transformers computes from it, or its error. */
interface RopeCase extends ConfigCase {
  readonly case: string;
  readonly types?: Readonly<Record<string, string>>;
  readonly frequencies?: Readonly<Record<string, readonly number[]>>;
  readonly error?: string;
}

const golden = readTransformersFixture<{ base: JsonObject; cases: RopeCase[] }>('rope.json');
const implemented = ['default', 'linear', 'dynamic', 'yarn', 'longrope', 'llama3', 'ntk_alpha'];
/** Files that transformers reads in a way that nobody can want, by family: these are refused. */
const refusedAnyway: Readonly<Record<string, RegExp>> = {
  cohere2: /^parameters of one layer type$/,
  exaone4: /^parameters of one layer type$/,
  ministral: /^parameters of one layer type$/,
  glm: /^null partial factor$/,
  glm4: /^null partial factor$/,
  // Both layers of the small model are sliding.
  olmo3:
    /^(null theta|text as theta|null type|llama3 without low factor|scaling is a list|partial factor,? .*)$/,
};
/** Mistral refuses `layer_types`, which transformers ignores with a warning. */
const isRefusedAnyway = (id: string, { set, case: name }: RopeCase): boolean =>
  (id === 'mistral' && 'layer_types' in set) || refusedAnyway[id]?.test(name) === true;
/** transformers fails where its class leaves head_dim null; a grown config.json has one. */
const isReadAnyway = ({ error }: RopeCase): boolean =>
  error === "TypeError: unsupported operand type(s) for *: 'NoneType' and 'float'";

/** The frequencies that the forward pass uses, by layer type. */
function frequenciesOf(id: string, config: JsonObject): Readonly<Record<string, readonly number[]>> {
  const family = familyById(id);
  family.assertSupported(config);
  const headDim = dimsOf(family, config)['head_dim']!;
  const settings = settingsOf(family, config);
  const compute = (s: Settings): readonly number[] => ropeFrequencies(rotatedWidth(headDim, s), s);
  if (!family.rope?.sliding) return { all: compute(settings) };
  return {
    full_attention: compute(settings),
    sliding_attention: compute(withLocalRope(settings)),
  };
}

const isReadable = ({ types = {} }: RopeCase): boolean => {
  const { full_attention: full, sliding_attention: sliding, all } = types;
  return implemented.includes(all ?? full ?? 'default') && [undefined, 'default'].includes(sliding);
};

describe('readRope', () => {
  it('is tested for every family with rotary positions', () => {
    const rotary = [...families.values()].filter((family) => family.rope).map(({ id }) => id);
    expect(Object.keys(golden).sort()).toEqual(rotary.sort());
  });

  describe.each(Object.entries(golden))('of a %s', (id, { base, cases }) => {
    const tested = cases.filter((one) => !isRefusedAnyway(id, one) && !isReadAnyway(one));
    const known = tested.map((one) => [one.case, one] as const);

    it.each(known.filter(([, one]) => one.error === undefined && isReadable(one)))(
      'reads the frequencies of transformers: %s',
      (_, one) => {
        const found = frequenciesOf(id, configOfCase(base, one));
        for (const [layerType, expected] of Object.entries(one.frequencies!)) {
          expect(found[layerType]).toHaveLength(expected.length);
          // transformers computes in float32.
          for (const [i, frequency] of expected.entries())
            expect(found[layerType]![i]! / frequency).toBeCloseTo(1, 5);
        }
      },
    );

    it.each(known.filter(([, one]) => one.error !== undefined || !isReadable(one)))(
      'refuses what transformers refuses, and types that are not implemented: %s',
      (_, one) => {
        const config = configOfCase(base, one);
        expect(() => frequenciesOf(id, config)).toThrow(AppError);
      },
    );

    it.each(known.filter(([, one]) => one.error === undefined && isReadable(one)))(
      'keeps the frequencies where both objects become one: %s',
      (_, one) => {
        const { rope } = familyById(id);
        const config = configOfCase(base, one);
        const unified = unifyRope(config, rope!).config;
        expect(frequenciesOf(id, unified)).toEqual(frequenciesOf(id, config));
        expect(unifyRope(unified, rope!).config).toEqual(unified);
      },
    );
  });

  it('says which of two objects it uses, unless they agree', () => {
    const config = (...keys: readonly JsonObject[]): JsonObject =>
      Object.assign({ rope_theta: 700 }, ...keys);
    const spec = { positions: 64 };
    const linear = { rope_scaling: { type: 'linear', factor: 4 } };
    const plain = { rope_parameters: { rope_type: 'default', rope_theta: 500 } };
    expect(readRope(config(linear, plain), spec)).toMatchObject({ type: 'linear', factor: 4, theta: 700 });
    const both = unifyRope(config(linear, plain), spec);
    expect(both.notes).toEqual(['rope_scaling replaces rope_parameters, as in transformers']);
    expect(both.config['rope_parameters']).toEqual({ rope_type: 'linear', factor: 4, rope_theta: 700 });
    expect(both.config['rope_scaling']).toEqual(both.config['rope_parameters']);
    expect(unifyRope(config(linear), spec)).toEqual({ config: config(linear), notes: [] });
    const byType = { rope_parameters: { full_attention: { rope_type: 'linear', factor: 4 } } };
    expect(unifyRope(config(byType), spec).notes[0]).toContain('full_attention are ignored');
  });
});
