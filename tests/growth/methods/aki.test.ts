/** @file Which copies of advanced knowledge initialization stay identical in training, as the notes say. */
import { describe, expect, it } from 'vitest';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { GrowthPlan } from '../../../src-main/growth/recipe.ts';
import { growWeights, makeRequest, makeTinyModel } from '../tiny-model.ts';
import { initialState, modelOf, scalesOf, trainableConfigs, trainInFloat64 } from '../train-grown.ts';

const config = { ...trainableConfigs.gpt2, n_layer: 2 };
const source = makeTinyModel(config);
const ffn = source.dims['ffn']!;
const planTo = (to: number): GrowthPlan => planGrowth(source, makeRequest('aki', { ffn: to }));

/** Largest difference of two copies of the inner units of a layer, after ten steps. GPT-2 stores [in, out]. */
function differenceOf(plan: GrowthPlan, layer: number, first: number, second: number): number {
  const start = initialState(growWeights(plan, source.weights));
  const { state } = trainInFloat64(modelOf(plan), start, scalesOf(plan), 10);
  const weight = state.weights.get(`h.${layer}.mlp.c_fc.weight`)!;
  const width = plan.to['ffn']!;
  let most = 0;
  for (let row = 0; row < weight.length / width; row++)
    for (let unit = 0; unit < ffn; unit++) {
      const [a, b] = [first, second].map((copy) => weight[row * width + copy * ffn + unit]!);
      most = Math.max(most, Math.abs(a! - b!));
    }
  return most;
}

describe('copies by aki', () => {
  it('differ in all layers but the last, where they stay identical', () => {
    const plan = planTo(2 * ffn);
    expect(differenceOf(plan, 0, 0, 1)).toBeGreaterThan(0.1);
    expect(differenceOf(plan, 1, 0, 1)).toBeLessThan(1e-12);
    expect(plan.notes.join(' ')).toMatch(/The last layer has no next layer: its copies .* stay identical/);
  });

  it('stay identical from the second on if an axis is more than doubled, as a note then says', () => {
    const plan = planTo(3 * ffn);
    expect(differenceOf(plan, 0, 0, 1)).toBeGreaterThan(0.1);
    expect(differenceOf(plan, 0, 1, 2)).toBeLessThan(1e-12);
    const note = /ffn more than doubled: the second and later copies/;
    expect(plan.notes.join(' ')).toMatch(note);
    expect(planTo(2 * ffn).notes.join(' ')).not.toMatch(note);
  });
});
