import { expect, it } from 'vitest';
import { suggestFixes } from '../../../src-renderer/state/growth-suggestions.ts';
import { GrowthState } from '../../../src-renderer/state/growth.svelte.ts';
import { createSummary, storiesConfig } from '../fake/models.ts';

it('suggests the methods or the bound that a refusal names', () => {
  const notByThisMethod = {
    code: 'growth/not-by-this-method',
    detail: { axis: 'layers', method: 'expand', methods: ['identity'] },
  } as const;
  const smaller = { code: 'growth/smaller', detail: { axis: 'ffn', from: 172, to: 10 } } as const;
  expect(suggestFixes(notByThisMethod).map(({ label }) => label)).toEqual(['Identity layers']);
  expect(suggestFixes(smaller).map(({ label }) => label)).toEqual(['ffn 172']);
  expect(suggestFixes({ code: 'growth/nothing', detail: { method: 'expand' } })).toEqual([]);
});

it('suggests the nearest possible number of experts', () => {
  const growth = new GrowthState(createSummary(storiesConfig, '/a'), 'upcycle');
  growth.setOption('active', 9);
  expect(growth.suggestions.map(({ label }) => label)).toEqual(['active 8']);
  growth.suggestions[0]!.apply(growth);
  expect(growth.plan?.config['num_experts_per_tok']).toBe(8);
});
