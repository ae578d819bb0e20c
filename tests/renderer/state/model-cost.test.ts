import { expect, it } from 'vitest';
import { GrowthState } from '../../../src-renderer/state/growth.svelte.ts';
import { createSummary, storiesConfig } from '../fake/models.ts';

it('counts the active parameters of a mixture of experts', () => {
  const growth = new GrowthState(createSummary(storiesConfig, '/a'), 'upcycle');
  growth.setOption('shards', 2);
  expect(growth.after!.active).toBeLessThan(growth.after!.parameters);
  expect(growth.before.active).toBe(growth.before.parameters);
});
