/** @file The notes of a plan: warnings about clones that stay equal and entries that never learn. */
import { describe, expect, it } from 'vitest';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { GrowthPlan, GrowthRequest } from '../../../src-main/growth/recipe.ts';
import { makeRequest, makeTinyModel } from '../tiny-model.ts';
import { llama } from '../variants/index.ts';

const plan = (method: string, to: Record<string, number>, options: GrowthRequest['options']): GrowthPlan =>
  planGrowth(makeTinyModel(llama), makeRequest(method, to, options));

describe('the notes of a plan', () => {
  it('warn about clones without noise, which stay identical', () => {
    const notesOf = (noise: number | null): string =>
      plan('hypercloning', { hidden: 24 }, { noise }).notes.join(' ');
    expect(notesOf(null)).toContain('clones stay identical');
    expect(notesOf(10)).not.toContain('clones stay identical');
  });

  it('name new entries that never learn', () => {
    const untrainableAxes = (fill: string): readonly string[] =>
      plan('copy-pad', { hidden: 18, ffn: 30 }, { fill }).dead.map(({ axis }) => axis);
    expect(untrainableAxes('zero')).toEqual(['hidden', 'kv_heads', 'ffn']);
    expect(untrainableAxes('random')).toEqual([]);
    expect(plan('copy-pad', { ffn: 30 }, { fill: 'zero' }).notes.join(' ')).toContain('never learn');
  });
});
