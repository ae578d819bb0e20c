import { expect, it } from 'vitest';
import { groupWeights } from '../../../../src-renderer/parts/growth/weight-groups.ts';
import { GrowthState } from '../../../../src-renderer/state/growth.svelte.ts';
import { createSummary, gpt2Config, storiesConfig } from '../../fake/models.ts';

it('groups layers that are grown the same way', () => {
  const groups = groupWeights(new GrowthState(createSummary(gpt2Config, '/data/gpt2'), 'hypercloning').plan!);
  expect(groups.map((group) => group.title)).toEqual([
    'Before the layers',
    'Layers 1 to 12',
    'After the layers',
  ]);
  expect(groups[1]!.detail).toBe('12 layers, grown the same way');
  expect(groups[1]!.weights.map(({ label }) => label)).toContain('attn.c_attn.weight');
  expect(groups[1]!.weights.length).toBe(12);
});

it('separates new layers from old ones and shows their origin', () => {
  const growth = new GrowthState(createSummary(storiesConfig, '/a'), 'identity');
  const groups = groupWeights(growth.plan!).filter((group) => group.layers.length > 0);
  expect(groups.flatMap((group) => group.layers).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 10 }, (_, i) => i),
  );
  expect(groups.map((group) => [group.title, group.detail])).toEqual([
    ['Layers 1, 3, 5, 7, 9', '5 layers, grown the same way; made from layers 1 to 5'],
    ['Layers 2, 4, 6, 8, 10', '5 layers, grown the same way; new, initialised as the identity'],
  ]);
});

it('merges experts that are grown the same way, and separates slices', () => {
  const growth = new GrowthState(createSummary(storiesConfig, '/a'), 'upcycle');
  const labels = (): readonly string[] =>
    groupWeights(growth.plan!)
      .filter((group) => group.layers.length > 0)
      .flatMap((group) => group.weights.map(({ label }) => label))
      .filter((label) => label.includes('w1'));
  expect(labels()).toEqual(['block_sparse_moe.experts.[0 to 7].w1.weight']);
  growth.setOption('shards', 2);
  expect(labels()).toEqual([
    'block_sparse_moe.experts.[0, 2, 4, 6].w1.weight',
    'block_sparse_moe.experts.[1, 3, 5, 7].w1.weight',
  ]);
});
