/** @file Compares grown weights with the reference implementation. */
import { expect } from 'vitest';
import { applyRecipe } from '../../../src-main/growth/apply/apply.ts';
import type { GrowthPlan } from '../../../src-main/growth/recipe.ts';
import { openCheckpoint, readTensor } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { downcast } from '../../../src-main/tensor/dtype.ts';
import { readValues } from '../workbench.ts';

/** Expects that every weight of `out` has the bytes of the reference implementation. */
export async function expectReferenceWeights(plan: GrowthPlan, source: string, out: string): Promise<void> {
  const grown = await openCheckpoint(out);
  const from = await openCheckpoint(source);
  expect(grown.dims).toEqual(plan.to);
  for (const recipe of plan.tensors) {
    const expected = applyRecipe(
      recipe,
      plan.maps,
      plan.from,
      plan.to,
      await readValues(from, recipe.source),
      plan.request.seed,
      recipe.second === undefined ? undefined : await readValues(from, recipe.second),
    );
    const actual = await readTensor(grown, recipe.name);
    expect(Buffer.compare(actual, downcast(expected, recipe.dtype)), recipe.name).toBe(0);
  }
}
