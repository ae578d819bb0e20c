/** @file Paired noise: it has the requested power, cancels between copies, and changes no logit. */
import { describe, expect, it } from 'vitest';
import { applyRecipe } from '../../../src-main/growth/apply/apply.ts';
import { decibelsToPowerRatio } from '../../../src-main/growth/apply/noise.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { TensorRecipe } from '../../../src-main/growth/recipe.ts';
import { recipeOf } from '../plan/factor-of.ts';
import {
  exactTolerance,
  growableSizes,
  growWeights,
  makeRequest,
  makeTinyModel,
  maxLogitChange,
} from '../tiny-model.ts';
import { familyVariants, llama } from '../variants/index.ts';
import { applyInFloat32 } from './apply-to.ts';

describe('paired noise', () => {
  const source = makeTinyModel(llama);
  const width = 12;

  /** A weight of a hypercloned model with and without noise. */
  function growTwice(name: string, noise: number, to: Record<string, number>) {
    const plan = planGrowth(source, makeRequest('hypercloning', to, { noise }));
    const recipe = recipeOf(plan, name);
    const noisy = applyInFloat32(source, plan, recipe);
    const clean = applyInFloat32(source, plan, { ...recipe, noise: null });
    return { recipe, noisy, clean };
  }

  it('has the requested power in each head and copy, and cancels between copies', () => {
    const { recipe, noisy, clean } = growTwice('0.self_attn.q_proj.weight', 10, { hidden: 2 * width });
    const [rows, columns] = recipe.to as readonly [number, number];
    const headDim = 4;
    for (let head = 0; head < rows / headDim; head++) {
      let signal = 0;
      let power = 0;
      for (let row = head * headDim; row < (head + 1) * headDim; row++) {
        for (let column = 0; column < width; column++) {
          const first = row * columns + column;
          const second = first + width;
          signal += clean[first]! ** 2;
          power += (noisy[first]! - clean[first]!) ** 2;
          expect(noisy[first]! + noisy[second]!).toBeCloseTo(clean[first]! + clean[second]!, 6);
        }
      }
      expect(10 * Math.log10(signal / power)).toBeCloseTo(10, 4);
    }
  });

  it('leaves the last of an odd number of copies, and differs between copies of the output', () => {
    const { recipe, noisy, clean } = growTwice('0.mlp.gate_proj.weight', 3, { hidden: 3 * width, ffn: 40 });
    const columns = recipe.to[1]!;
    for (let row = 0; row < 40; row++) {
      const third = [row * columns + 2 * width, (row + 1) * columns] as const;
      expect(noisy.subarray(...third)).toEqual(clean.subarray(...third));
    }
    const secondCopy = 20 * columns;
    expect(noisy.subarray(0, width)).not.toEqual(noisy.subarray(secondCopy, secondCopy + width));
  });

  it.each(Object.entries(familyVariants))('changes weights with noise and no logit: %s', (_, config) => {
    const model = makeTinyModel(config);
    const to = growableSizes(model, { hidden: 2 * model.dims['hidden']! });
    const plan = planGrowth(model, makeRequest('hypercloning', to, { noise: 3 }));
    const withoutNoise = (recipe: TensorRecipe): TensorRecipe => ({ ...recipe, noise: null });
    const noisy = growWeights(plan, model.weights);
    const clean = growWeights(plan, model.weights, withoutNoise);
    expect(maxLogitChange(model, plan, noisy)).toBeLessThan(exactTolerance);
    for (const { name, noise } of plan.tensors) {
      const isChanged = noisy.get(name)!.some((value, i) => value !== clean.get(name)![i]);
      expect(isChanged, name).toBe(noise !== null);
    }
  });

  it('leaves a weight of zeros as it is', () => {
    const plan = planGrowth(source, makeRequest('hypercloning', { hidden: 2 * width }));
    const recipe = recipeOf(plan, '0.mlp.up_proj.weight');
    const grown = applyRecipe(recipe, plan.maps, plan.from, plan.to, new Float32Array(20 * width), 7);
    expect(grown.every((value) => value === 0)).toBe(true);
  });
});

describe('decibelsToPowerRatio', () => {
  it.each([-10, 0, 3, 10, 40, 80])('is 10^(dB / 10) for %i dB', (decibels) => {
    expect(decibelsToPowerRatio(decibels) / 10 ** (decibels / 10)).toBeCloseTo(1, 11);
  });
});
