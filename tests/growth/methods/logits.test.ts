/**
 * @file Every method on every family: where a plan promises exactness, the logits of the float64 reference stay
 * the same; where it does not, they change and remain finite.
 */
import { describe, expect, it } from 'vitest';
import { methods } from '../../../src-main/growth/methods/index.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { GrowthPlan, GrowthRequest } from '../../../src-main/growth/recipe.ts';
import { familyOf } from '../../../src-main/model/families/index.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { exactTolerance, makeRequest, makeTinyModel, maxLogitChange, type TinyModel } from '../tiny-model.ts';
import { familyVariants, llama } from '../variants/index.ts';
import { targetSizes, type Sizes } from './target-sizes.ts';

type Options = GrowthRequest['options'];

/** The defaults, and each other choice of each option. */
const optionSets = (method: string): readonly Options[] => {
  const choices = methods.get(method)!.options.flatMap((option): readonly Options[] => {
    if (option.kind === 'choice')
      return option.choices
        .filter(({ value }) => value !== option.default)
        .map(({ value }) => ({ [option.id]: value }));
    return option.id === 'n' ? [{ n: 3 }] : [];
  });
  return [{}, ...choices];
};

const tryPlan = (source: TinyModel, request: GrowthRequest): GrowthPlan | undefined => {
  try {
    return planGrowth(source, request);
  } catch {
    return undefined;
  }
};

describe.each([...methods.keys()])('%s', (method) => {
  describe.each(Object.entries(familyVariants))('of %s', (_, config) => {
    const source = makeTinyModel(config);
    const family = familyOf(config);
    const plannedSizes = (options: Options): readonly Sizes[] =>
      targetSizes[method]!(source).filter((to) => tryPlan(source, makeRequest(method, to, options)));

    it('plans enough of the sizes, or refuses a family without a mixture of experts', async () => {
      const count = plannedSizes({}).length;
      if (method === 'upcycle' && count === 0) {
        await expectAppError('growth/no-mixture', () => planGrowth(source, makeRequest(method, {})));
      } else {
        const least = ['solar', 'upcycle'].includes(method) ? 1 : 3;
        // Where heads cannot grow, hidden often cannot either: docs/families.md has the cells.
        expect(count).toBeGreaterThanOrEqual(family.frozen.heads === undefined ? least : 0);
      }
    });

    const cases = optionSets(method).flatMap((options) => {
      const sizes = plannedSizes(options);
      const some = Object.keys(options).length > 0 ? sizes.slice(0, 4) : sizes;
      return some.map((to) => [JSON.stringify(to), JSON.stringify(options), to, options] as const);
    });
    it.each(cases)('to %s with %s changes the logits only if the plan says so', (__, ___, to, options) => {
      const plan = planGrowth(source, makeRequest(method, to, options));
      const change = maxLogitChange(source, plan);
      if (plan.promise.kind !== 'none') {
        expect(change).toBeLessThan(exactTolerance);
        return;
      }
      // Larger heads change nothing where the scale of the scores does not depend on their size.
      const scaleChanges = family.scores.scale(plan.to) !== family.scores.scale(plan.from);
      if (!('head_dim' in to) || scaleChanges) expect(change).toBeGreaterThan(0);
      expect(Number.isFinite(change)).toBe(true);
    });
  });
});

describe('the promise of a plan', () => {
  /** The kinds of promises over all families, for the first size. */
  const kindsOf = (method: string, options: Options = {}): readonly string[] => {
    const plans = Object.values(familyVariants).flatMap((config) => {
      const source = makeTinyModel(config);
      const plan = tryPlan(source, makeRequest(method, targetSizes[method]!(source)[0]!, options));
      return plan ? [plan] : [];
    });
    return [...new Set(plans.map((plan) => plan.promise.kind))];
  };

  it.each(['hypercloning', 'clone-pad', 'expand', 'net2net'])('is function-preserving for %s', (method) => {
    expect(kindsOf(method)).toEqual(['function-preserving']);
  });
  it('is that old logits stay for vocab', () => {
    expect(kindsOf('vocab')).toEqual(['old-logits']);
  });
  it.each(['aki', 'copy-pad', 'shrink-perturb', 'interleave'])('is nothing for %s', (method) => {
    expect(kindsOf(method)).toEqual(['none']);
  });
  it('is function-preserving for copy-pad with exact on', () => {
    expect(kindsOf('copy-pad', { exact: 'on' })).toEqual(['function-preserving']);
  });
  it('is nothing for stack', () => {
    const plan = planGrowth(makeTinyModel(llama), makeRequest('stack', { layers: 4 }));
    expect(plan.promise.kind).toBe('none');
  });
});
