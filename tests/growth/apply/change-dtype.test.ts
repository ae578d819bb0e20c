/**
 * @file A change of dtype keeps the logits, also if embeddings are multiplied by a number that is rounded to the
 * dtype.
 */
import { describe, expect, it } from 'vitest';
import { changeDType } from '../../../src-main/growth/apply/change-dtype.ts';
import { familyOf } from '../../../src-main/model/families/index.ts';
import { parametersOf } from '../../../src-main/model/parameters.ts';
import { weightDTypes } from '../../../src-main/tensor/dtype.ts';
import { referenceLogits, type Weights } from '../../support/reference.ts';
import { drawTokens, exactTolerance, makeTinyModel, maxDifference } from '../tiny-model.ts';
import { familyVariants } from '../variants/index.ts';

const changes = weightDTypes.flatMap((from) =>
  weightDTypes.filter((to) => to !== from).map((to) => [from, to] as const),
);

describe.each(Object.entries(familyVariants))('the logits of %s', (_, config) => {
  it.each(changes)('stay the same from %s to %s', (from, to) => {
    const source = makeTinyModel({ ...config, torch_dtype: from });
    const family = familyOf(config);
    const tokens = drawTokens(source.dims['vocab']!);
    const vocab = source.dims['vocab']!;
    const before = referenceLogits(source.config, source.weights, tokens);
    const { config: newConfig, settings, convert } = changeDType({ ...source, family }, to);
    const logitChange = (weights: Weights): number =>
      maxDifference(before, referenceLogits(newConfig, weights, tokens), vocab, vocab);
    const converted = new Map(
      parametersOf(family, source.dims, source.settings).map((parameter) => [
        parameter.name,
        convert(parameter, source.weights.get(parameter.name)!),
      ]),
    );
    expect(settings['dtype'] ?? to).toBe(to);
    expect(logitChange(converted)).toBeLessThan(exactTolerance);

    const scaleBefore = family.embedScale?.(source.dims, source.settings);
    const scaleAfter = family.embedScale?.(source.dims, settings);
    if (scaleBefore !== scaleAfter) {
      expect(logitChange(source.weights)).toBeGreaterThan(5e-5);
    } else {
      for (const [name, values] of converted) expect(values, name).toBe(source.weights.get(name));
    }
  });
});

it('some family multiplies embeddings by a rounded number', () => {
  expect(Object.values(familyVariants).some((config) => familyOf(config).embedScale)).toBe(true);
});
