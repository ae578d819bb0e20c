/** @file The differences of two plans. */
import { describe, expect, it } from 'vitest';
import { diffPlans } from '../../../src-main/growth/plan/plan-diff.ts';
import { createSavedPlan } from '../../../src-main/growth/plan/saved-plan.ts';
import { makeRequest } from '../tiny-model.ts';
import { llama } from '../variants/index.ts';
import { makeNamedSource, threeStages } from './named-source.ts';

const source = makeNamedSource(llama);
const plan = createSavedPlan(source, threeStages, null);
const [first, , third] = threeStages;

describe('diffPlans', () => {
  it('lists seeds, sizes and shapes, with one line for the same weight of all layers', () => {
    const requests = [{ ...first, seed: 8 }, makeRequest('net2net', { ffn: 45 }), third];
    const differences = diffPlans(plan, createSavedPlan(source, requests, null));
    const find = (pattern: RegExp) => differences.find(({ what }) => pattern.test(what));
    expect(differences[0]).toEqual({ where: 'Stage 1', what: 'seed', first: '7', second: '8' });
    expect(differences.filter(({ where }) => where === 'Stage 1')).toHaveLength(1);
    expect(find(/^ffn after$/)).toEqual({ where: 'Stage 2', what: 'ffn after', first: '47', second: '45' });
    expect(find(/mlp\.up_proj\.weight: shape \(2 weights\)/)).toMatchObject({
      where: 'Stage 2',
      first: '[47, 24]',
      second: '[45, 24]',
    });
    expect(find(/mlp\.up_proj\.weight: shape \(3 weights\)/)).toMatchObject({ where: 'Stage 3' });
  });

  it('lists a stage that only one plan has', () => {
    const shorter = createSavedPlan(source, threeStages.slice(0, 2), null);
    const missing = { where: 'Stage 3', what: 'method', first: 'identity', second: null };
    expect(diffPlans(plan, shorter)).toContainEqual(missing);
  });

  it('lists config keys of the sources', () => {
    const other = createSavedPlan(makeNamedSource({ ...llama, rms_norm_eps: 0.02 }), threeStages, null);
    const changed = { where: 'Source', what: 'config rms_norm_eps', first: '0.01', second: '0.02' };
    expect(diffPlans(plan, other)).toContainEqual(changed);
  });
});
