import { expect, it } from 'vitest';
import { foldsOf } from '../../../../src-renderer/parts/growth/folded-plan.ts';
import { GrowthState } from '../../../../src-renderer/state/growth.svelte.ts';
import { cardOf, small, stories } from '../../fake-service.ts';

it('folds layers that are all alike into one', () => {
  const folds = foldsOf(new GrowthState(cardOf(small, '/data/gpt2'), 'hypercloning').plan!);
  expect(folds.map((fold) => fold.title)).toEqual([
    'Before the layers',
    'Layers 1 to 12',
    'After the layers',
  ]);
  expect(folds[1]!.detail).toBe('12 layers, all alike');
  expect(folds[1]!.weights.map((w) => w.label)).toContain('attn.c_attn.weight');
  expect(folds[1]!.weights.length).toBe(12);
});

it('keeps new layers apart from old ones and says what they are made from', () => {
  const growth = new GrowthState(cardOf(stories, '/a'), 'identity');
  const folds = foldsOf(growth.plan!).filter((fold) => fold.layers.length > 0);
  expect(folds.flatMap((fold) => fold.layers).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 10 }, (_, i) => i),
  );
  expect(folds.map((fold) => [fold.title, fold.detail])).toEqual([
    ['Layers 1, 3, 5, 7, 9', '5 layers, all alike; made from layers 1 to 5'],
    ['Layers 2, 4, 6, 8, 10', '5 layers, all alike; new: they start by changing nothing'],
  ]);
});

it('folds experts that are made alike, and keeps slices apart', () => {
  const growth = new GrowthState(cardOf(stories, '/a'), 'upcycle');
  const labels = (): readonly string[] =>
    foldsOf(growth.plan!)
      .filter((fold) => fold.layers.length > 0)
      .flatMap((fold) => fold.weights.map((w) => w.label))
      .filter((label) => label.includes('w1'));
  expect(labels()).toEqual(['block_sparse_moe.experts.[0 to 7].w1.weight']);
  growth.set('shards', 2);
  expect(labels()).toEqual([
    'block_sparse_moe.experts.[0, 2, 4, 6].w1.weight',
    'block_sparse_moe.experts.[1, 3, 5, 7].w1.weight',
  ]);
  expect(growth.after!.active).toBeLessThan(growth.after!.parameters);
  expect(growth.before.active).toBe(growth.before.parameters);
});

it('offers the nearest numbers of experts that can be', () => {
  const growth = new GrowthState(cardOf(stories, '/a'), 'upcycle');
  growth.set('active', 9);
  expect(growth.suggestions.map((s) => s.label)).toEqual(['active 8']);
  growth.suggestions[0]!.apply(growth);
  expect(growth.plan?.config['num_experts_per_tok']).toBe(8);
});
