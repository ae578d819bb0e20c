/**
 * @file Another element type leaves the function as it is, also where embeddings are multiplied by a number
 * rounded to that type.
 */
import { describe, expect, it } from 'vitest';
import { changeDType } from '../../../src-main/growth/apply/change-dtype.ts';
import { familyOf } from '../../../src-main/model/families/index.ts';
import { parametersOf } from '../../../src-main/model/parameters.ts';
import { weightDTypes } from '../../../src-main/tensor/dtype.ts';
import { referenceLogits, type Weights } from '../../support/reference.ts';
import { makeTinyModel, drawTokens } from '../tiny-model.ts';
import { familyVariants } from '../variants/index.ts';

describe.each(Object.entries(familyVariants))('%s', (title, config) => {
  it.each(
    weightDTypes.flatMap((from) => weightDTypes.filter((to) => to !== from).map((to) => [from, to] as const)),
  )('%s to %s', (from, to) => {
    const source = makeTinyModel({ ...config, torch_dtype: from });
    const family = familyOf(config);
    const tokens = drawTokens(source.dims['vocab']!);
    const before = referenceLogits(source.config, source.weights, tokens);
    const { config: said, settings, convert: values } = changeDType({ ...source, family }, to);
    const parameters = parametersOf(family, source.dims, source.settings);
    const written = new Map(parameters.map((p) => [p.name, values(p, source.weights.get(p.name)!)]));
    const moved = (weights: Weights): number => {
      const after = referenceLogits(said, weights, tokens);
      return before.reduce((most, v, i) => Math.max(most, Math.abs(v - after[i]!)), 0);
    };
    expect(settings['dtype'] ?? to).toBe(to);
    expect(moved(written)).toBeLessThan(1e-9);
    const scaled =
      family.embedScale !== undefined &&
      family.embedScale(source.dims, source.settings) !== family.embedScale(source.dims, settings);
    if (scaled) expect(moved(source.weights), title).toBeGreaterThan(5e-5);
    else expect([...written].every(([name, found]) => found === source.weights.get(name))).toBe(true);
  });
});

it('some family multiplies by such a number', () => {
  expect(Object.values(familyVariants).some((config) => familyOf(config).embedScale)).toBe(true);
});
