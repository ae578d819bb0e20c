/** @file The sizes of a family, and sizes from factors. */
import { describe, expect, it } from 'vitest';
import { listSizes, multiplySizes } from '../../../src-main/growth/plan/sizes.ts';
import { familyOf } from '../../../src-main/model/families/index.ts';
import { makeTinyModel } from '../tiny-model.ts';
import { llama } from '../variants/index.ts';

describe('multiplySizes', () => {
  const { dims } = makeTinyModel(llama);

  it('multiplies the sizes of a model by factors', () => {
    const sizes = { hidden: 24, ffn: 30, heads: 12 };
    expect(multiplySizes({ hidden: 2, ffn: 1.5, heads: 2 }, dims)).toEqual(sizes);
  });
  it('refuses a factor that gives no whole number, and an unknown size', () => {
    expect(() => multiplySizes({ ffn: 1.33 }, dims)).toThrow('not a whole number');
    expect(() => multiplySizes({ width: 2 }, dims)).toThrow('not a size');
  });
});

describe('listSizes', () => {
  it('includes the number of query heads for a family with GQA', () => {
    expect(listSizes(familyOf(llama))).toContain('heads');
  });
});
