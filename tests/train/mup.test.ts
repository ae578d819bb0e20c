/** @file µP against the package `mup` (tests/parity/make-mup.py), and for every family. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src-main/base/json.ts';
import { dimsOf, settingsOf, withDerivedDims } from '../../src-main/model/config.ts';
import { families, familyOf } from '../../src-main/model/families/index.ts';
import { initialValueOf } from '../../src-main/model/initial-values.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { resolveStoredName } from '../../src-main/model/tensor-names.ts';
import {
  formatMupBase,
  mupFactors,
  mupInitialValue,
  mupModelOf,
  mupMultipliers,
  mupOf,
  parseMupBase,
  type MupModel,
} from '../../src-main/train/mup.ts';
import { trainingDefaults } from '../../src-main/train/settings.ts';
import { expectAppError } from '../support/expect-app-error.ts';
import { tinyConfig } from '../support/tiny.ts';

interface Rule {
  readonly initScale: number;
  readonly lr: number;
  readonly weightDecay: number;
}
interface Case {
  readonly base: JsonObject;
  readonly config: JsonObject;
  readonly readout: number;
  readonly weights: Readonly<Record<string, Rule>>;
}
const file = new URL('../fixtures/mup/rules.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(file, 'utf8')) as {
  readonly cases: Readonly<Record<string, Case>>;
};

function modelOf({ base, config }: Pick<Case, 'base' | 'config'>): MupModel {
  const family = familyOf(config);
  return {
    family,
    dims: dimsOf(family, config),
    settings: settingsOf(family, config),
    base: dimsOf(family, base),
  };
}

describe.each(Object.entries(cases))('µP of %s', (_, { readout, weights, ...configs }) => {
  const model = modelOf(configs);
  const parameters = new Map(
    parametersOf(model.family, model.dims, model.settings).map((parameter) => [parameter.name, parameter]),
  );
  const isTied = model.settings['tied'] === true;

  it.each(Object.entries(weights))('is that of mup for %s', (stored, rule) => {
    const parameter = parameters.get(resolveStoredName(model.family, stored)!.name)!;
    const { initScale, lrScale, multiplier } = mupOf(model, parameter);
    const { head } = model.family;
    const carries = isTied ? parameter.key.startsWith(`${head.norm!}.`) : parameter.key === head.weight;
    expect(multiplier).toBeCloseTo(carries ? readout : 1, 12);
    expect(initScale).toBeCloseTo(rule.initScale * multiplier, 12);
    expect(lrScale).toBeCloseTo(rule.lr * multiplier, 12);
    // The rate without the multiplier times mup's weight decay is 1: decay is lr · wd for every weight.
    expect((lrScale / multiplier) * rule.weightDecay).toBeCloseTo(1, 12);
  });

  it('covers every weight', () => {
    const names = Object.keys(weights).map((stored) => resolveStoredName(model.family, stored)!.name);
    expect(names.sort()).toEqual([...parameters.keys()].sort());
  });

  it('has the multiplier of the output in a weight', () => {
    const [input, output, attention] = mupMultipliers(model);
    expect(input).toEqual({ what: 'input', value: 1, carriedBy: 'none' });
    expect(output).toEqual({ what: 'output', value: readout, carriedBy: isTied ? 'norm' : 'head' });
    expect(attention).toEqual({ what: 'attention', value: 1, carriedBy: 'none' });
  });
});

/** A tiny model of a family with its widths multiplied, and the tiny one as its base. */
function wider(id: string, times: number): MupModel {
  const family = families.get(id)!;
  const config = tinyConfig(id);
  const base = dimsOf(family, config);
  const grown = Object.entries(base).map(([axis, size]) => [
    axis,
    ['hidden', 'ffn', 'heads', 'kv_heads', 'embed', 'shared_ffn'].includes(axis) ? size * times : size,
  ]);
  const dims = withDerivedDims(family, Object.fromEntries(grown) as Record<string, number>);
  return { family, dims, settings: settingsOf(family, config), base };
}

describe.each([...families.keys()])('µP of a %s', (id) => {
  it('changes nothing at the base width', () => {
    const model = wider(id, 1);
    for (const parameter of parametersOf(model.family, model.dims, model.settings)) {
      expect(mupInitialValue(model, parameter)).toEqual(initialValueOf(parameter, model));
      expect(mupOf(model, parameter)).toMatchObject({ lrScale: 1, initScale: 1, multiplier: 1 });
    }
    expect(mupMultipliers(model).map(({ carriedBy }) => carriedBy)).toEqual(['none', 'none', 'none']);
  });

  it('divides the rates of hidden weights by the growth of their fan-in, and their variance too', () => {
    const model = wider(id, 4);
    const factors = mupFactors(model);
    const parameters = parametersOf(model.family, model.dims, model.settings);
    const hidden = parameters.filter((parameter) => mupOf(model, parameter).class === 'hidden');
    expect(hidden.length).toBeGreaterThan(0);
    for (const parameter of hidden) {
      expect(factors.get(parameter.name)!.lrScale, parameter.name).toBeCloseTo(1 / 4, 12);
      const { std } = initialValueOf(parameter, model) as { readonly std: number };
      expect(mupInitialValue(model, parameter), parameter.name).toEqual({ std: expect.closeTo(std / 2, 12) });
    }
    expect(factors.size).toBe(parameters.length);
  });

  it('names what carries the multiplier of the output, and that weight has it', () => {
    const model = wider(id, 4);
    const [input, output] = mupMultipliers(model);
    expect(output!.value).toBe(1 / 4);
    const { head } = model.family;
    const parameters = parametersOf(model.family, model.dims, model.settings);
    const multiplierAt = (matches: (key: string) => boolean): number =>
      mupOf(
        model,
        parameters.find(({ key }) => matches(key))!,
      ).multiplier;
    const embedding = multiplierAt((key) => key === head.tiedTo);
    expect(embedding).toBeCloseTo(input!.value, 12);
    if (output!.carriedBy === 'head') expect(multiplierAt((key) => key === head.weight)).toBe(1 / 4);
    else if (output!.carriedBy === 'norm')
      expect(multiplierAt((key) => key.startsWith(`${head.norm!}.`)) * embedding).toBeCloseTo(1 / 4, 12);
    else expect(output!.carriedBy).toBe('missing');
  });
});

describe('a head of another width', () => {
  const grownHeads = (id: string): MupModel => {
    const family = families.get(id)!;
    const config = tinyConfig(id);
    const base = dimsOf(family, config);
    return {
      family,
      settings: settingsOf(family, config),
      base,
      dims: { ...base, head_dim: 4 * base['head_dim']! },
    };
  };

  it('has the multiplier of attention in queries and keys: 1/d for 1/√d', () => {
    const model = grownHeads('llama');
    expect(mupMultipliers(model)[2]).toEqual({
      what: 'attention',
      value: 1 / 2,
      carriedBy: 'queries and keys',
    });
    const parameters = parametersOf(model.family, model.dims, model.settings);
    const scaleOf = (part: string): number =>
      mupOf(
        model,
        parameters.find(({ key }) => key.includes(part))!,
      ).multiplier;
    expect(scaleOf('q_proj') * scaleOf('k_proj')).toBeCloseTo(1 / 2, 12);
    expect(scaleOf('v_proj')).toBe(1);
  });

  it('has it nowhere where queries and keys share a weight', () => {
    expect(mupMultipliers(grownHeads('gpt2'))[2]!.carriedBy).toBe('missing');
  });
});

describe('the setting of the base', () => {
  const { dims, family, settings } = wider('llama', 1);

  it('reads what it writes', () => {
    const text = formatMupBase(dims);
    expect(text).not.toContain('vocab');
    expect(parseMupBase(text, { ...dims, hidden: 999, ffn: 999 })).toEqual(dims);
    expect(parseMupBase('off', dims)).toBeUndefined();
  });

  it.each(['hidden', 'hidden=0', 'hidden=-4', 'vocab=64', 'nothing=3', '', 'hidden=4;ffn=2'])(
    'refuses "%s"',
    async (text) => {
      await expectAppError('run/bad-setting', () => parseMupBase(text, dims));
    },
  );

  it('refuses optimizers whose rates µP does not have', async () => {
    const model = { family, dims, settings };
    const chosen = { ...trainingDefaults, mupBase: 'hidden=8' };
    expect(mupModelOf(model, chosen)!.base['hidden']).toBe(8);
    await expectAppError('run/bad-setting', () => mupModelOf(model, { ...chosen, optimizer: 'muon' }));
    expect(mupModelOf(model, { ...trainingDefaults, optimizer: 'muon' })).toBeUndefined();
  });
});
