/**
 * @file expand with `eps: scale`: gains and eps shrink instead of a scaled stream (docs/methods.md, Norms). It is
 * exact only where every norm of a model has the eps that shrinks.
 */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src-main/base/json.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import { exactTolerance, growWeights, makeRequest, makeTinyModel, maxLogitChange } from '../tiny-model.ts';
import { gemma, gemma2, gemma3, olmo, olmo2, phi3 } from '../variants/index.ts';

const request = makeRequest('expand', { hidden: 18 }, { eps: 'scale' });

/** Largest change of a logit, with keys of the grown config replaced. */
function changeWith(config: JsonObject, keys: JsonObject = {}): number {
  const source = makeTinyModel(config);
  const plan = planGrowth(source, request);
  return maxLogitChange(source, plan, growWeights(plan, source.weights), { ...plan.config, ...keys });
}
const promiseOf = (config: JsonObject): string => planGrowth(makeTinyModel(config), request).promise.kind;

describe('expand with scaled eps', () => {
  it.each(Object.entries({ gemma, gemma2, phi3 }))(
    'preserves the function of %s, and only with the new eps',
    (_, config) => {
      expect(promiseOf(config)).toBe('function-preserving');
      expect(changeWith(config)).toBeLessThan(exactTolerance);
      expect(changeWith(config, { rms_norm_eps: 0.01 })).toBeGreaterThan(1e-5);
    },
  );

  it.each(Object.entries({ gemma3, olmo, olmo2 }))(
    'promises nothing for %s, whose eps is fixed or shared with other norms',
    (_, config) => {
      expect(promiseOf(config)).toBe('none');
      expect(changeWith(config)).toBeGreaterThan(1e-7);
      expect(changeWith(config)).toBeLessThan(0.2);
    },
  );
});
