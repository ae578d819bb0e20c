/** @file The stages of growth records, growth.json. */
import { describe, expect, it } from 'vitest';
import {
  createSavedPlan,
  joinMethodIds,
  stagesFromRecord,
} from '../../../src-main/growth/plan/saved-plan.ts';
import { llama } from '../variants/index.ts';
import { makeNamedSource, threeStages } from './named-source.ts';

describe('stagesFromRecord', () => {
  const source = makeNamedSource(llama);
  const plan = createSavedPlan(source, threeStages, null);
  const earlier = createSavedPlan(source, threeStages[0], null);

  it('returns the stages of a record', () => {
    expect(joinMethodIds(stagesFromRecord({ plan }))).toBe('hypercloning + net2net + identity');
  });
  it('returns the stage of a record that holds only a stage, as early versions wrote it', () => {
    expect(joinMethodIds(stagesFromRecord({ plan: earlier.stages[0] }))).toBe('hypercloning');
  });
  it('returns the stages of earlier growths too, if asked', () => {
    const stages = stagesFromRecord({ plan, before: [earlier] }, { before: true });
    expect(joinMethodIds(stages)).toBe('hypercloning + hypercloning + net2net + identity');
  });
  it('returns nothing without a record', () => {
    expect(stagesFromRecord(null)).toEqual([]);
  });
  it.each([{}, { stages: [null] }, { stages: [{ tensors: [] }] }])(
    'refuses an incomplete record: %j',
    (incomplete) => {
      expect(() => stagesFromRecord({ plan: incomplete })).toThrow(/growth\.json is not a valid plan/);
    },
  );
});
