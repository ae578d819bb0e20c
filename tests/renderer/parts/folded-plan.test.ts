import { expect, it } from 'vitest';
import { foldsOf } from '../../../src-renderer/parts/folded-plan.ts';
import { GrowthState } from '../../../src-renderer/state/growth.svelte.ts';
import { cardOf, small, stories } from '../fake-service.ts';

it('folds layers that are all alike into one', () => {
  const folds = foldsOf(new GrowthState(cardOf(small, '/data/gpt2'), 'hypercloning').plan!);
  expect(folds.map((fold) => fold.title)).toEqual(['Before the layers', 'Layers 1 to 12', 'After the layers']);
  expect(folds[1]!.detail).toBe('12 layers, all alike');
  expect(folds[1]!.weights.map((w) => w.label)).toContain('attn.c_attn.weight');
  expect(folds[1]!.weights.length).toBe(12);
});

it('keeps new layers apart from old ones and says what they are made from', () => {
  const growth = new GrowthState(cardOf(stories, '/a'), 'identity');
  const folds = foldsOf(growth.plan!).filter((fold) => fold.layers.length > 0);
  expect(folds.flatMap((fold) => fold.layers).sort((a, b) => a - b)).toEqual(Array.from({ length: 10 }, (_, i) => i));
  expect(folds.map((fold) => [fold.title, fold.detail])).toEqual([
    ['Layers 1, 3, 5, 7, 9', '5 layers, all alike; made from layers 1 to 5'],
    ['Layers 2, 4, 6, 8, 10', '5 layers, all alike; new: they start by changing nothing'],
  ]);
});
