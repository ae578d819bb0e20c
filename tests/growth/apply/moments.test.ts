/** @file Moments of AdamW that are grown with the weights (docs/methods.md, Learning rates and moments). */
import { describe, expect, it } from 'vitest';
import { growMoments, type Moments } from '../../../src-main/growth/apply/moments.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { GrowthPlan, TensorRecipe } from '../../../src-main/growth/recipe.ts';
import { settingsOf } from '../../../src-main/model/config.ts';
import { familyById } from '../../../src-main/model/families/index.ts';
import { growableSizes, growWeights, makeRequest, makeTinyModel } from '../tiny-model.ts';
import {
  firstMoments,
  initialState,
  maxDifferenceOf,
  modelOf,
  noScales,
  scalesOf,
  trainableConfigs,
  trainInFloat64,
  type TrainingState,
} from '../train-grown.ts';
import { familyVariants } from '../variants/index.ts';

const growMomentsOf = (
  recipe: TensorRecipe,
  plan: GrowthPlan,
  moments: Moments<Float64Array>,
): Moments<Float64Array> => growMoments(recipe, plan.maps, plan.from, plan.to, moments);

/** The weights and moments of `state`, grown by `plan`. */
function growState(plan: GrowthPlan, state: TrainingState): TrainingState {
  const expAvg = new Map<string, Float64Array>();
  const expAvgSq = new Map<string, Float64Array>();
  for (const recipe of plan.tensors) {
    const grown = growMomentsOf(recipe, plan, {
      expAvg: state.expAvg.get(recipe.source)!,
      expAvgSq: state.expAvgSq.get(recipe.source)!,
    });
    expAvg.set(recipe.name, grown.expAvg);
    expAvgSq.set(recipe.name, grown.expAvgSq);
  }
  return { weights: growWeights(plan, state.weights), expAvg, expAvgSq };
}

describe.each(Object.entries(trainableConfigs))('training of %s that is grown at step 12', (_, config) => {
  const source = makeTinyModel(config);
  const { state } = trainInFloat64(source, initialState(source.weights), noScales, 12);
  const rest = trainInFloat64(source, state, noScales, 24, 13);

  it.each([{ hidden: 8, ffn: 24 }, { ffn: 12 }])(
    'continues with the losses of the source if the moments grow too, to %o',
    (to) => {
      const plan = planGrowth(source, makeRequest('hypercloning', to, { noise: null }));
      const continueFrom = (start: TrainingState): readonly number[] =>
        trainInFloat64(modelOf(plan), start, scalesOf(plan), 24, 13).losses;
      const grown = growState(plan, state);
      expect(maxDifferenceOf(continueFrom(grown), rest.losses)).toBeLessThan(1e-9);
      const withoutMoments = initialState(grown.weights);
      expect(maxDifferenceOf(continueFrom(withoutMoments), rest.losses)).toBeGreaterThan(1e-4);
    },
  );
});

describe('the gradient factors of a plan', () => {
  it.each([...Object.entries(familyVariants), ...Object.entries(trainableConfigs)])(
    'are those of the first step: %s',
    (name, config) => {
      const source = makeTinyModel({ ...config, vocab_size: 7 });
      const { hidden, ffn } = source.dims as Record<string, number>;
      const request =
        name in trainableConfigs
          ? makeRequest('net2net', { ffn: ffn! + 3 }, { noise: null })
          : makeRequest('hypercloning', growableSizes(source, { hidden: 2 * hidden!, ffn: 2 * ffn! }), {
              noise: null,
            });
      const plan = planGrowth(source, request);
      const before = firstMoments(source, source.weights);
      const after = firstMoments(modelOf(plan), growWeights(plan, source.weights));
      const family = familyById(plan.family);
      const isUntied = source.settings['tied'] !== settingsOf(family, plan.config)['tied'];
      // An embedding that is no longer the head gets only a part of its gradient.
      const untied: readonly unknown[] = isUntied ? [family.head.weight, family.head.tiedTo] : [];
      for (const recipe of plan.tensors.filter((one) => !untied.includes(one.name))) {
        const expAvg = before.get(recipe.source)!;
        const expAvgSq = expAvg.map((value) => value * value);
        const expected = growMomentsOf(recipe, plan, { expAvg, expAvgSq }).expAvg;
        const actual = after.get(recipe.name)!;
        const scale = Math.max(...actual.map(Math.abs), 1e-6);
        expect(maxDifferenceOf(expected, actual) / scale, recipe.name).toBeLessThan(1e-6);
      }
    },
  );
});
