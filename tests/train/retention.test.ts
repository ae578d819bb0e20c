import { describe, expect, it } from 'vitest';
import {
  bestOf,
  isAmongBest,
  mostKept,
  reasonsToKeep,
  retentionOf,
  type RetainedStep,
  type Retention,
} from '../../src-main/train/retention.ts';

/** Checkpoints of these steps and held-out losses. */
const saved = (losses: Readonly<Record<number, number | null>>): readonly RetainedStep[] =>
  Object.entries(losses).map(([step, heldOutLoss]) => ({ step: Number(step), heldOutLoss }));

const keptOf = (steps: readonly RetainedStep[], retention: Partial<Retention>): readonly number[] =>
  [...reasonsToKeep(steps, { newest: 2, every: 0, best: 0, ...retention })].flatMap(([step, reasons]) =>
    reasons.length > 0 ? [step] : [],
  );

const steps = saved({ 100: 3, 200: 2.5, 250: null, 300: 2.7, 400: 2.9 });

describe('reasonsToKeep', () => {
  it('keeps the newest', () => {
    expect(keptOf(steps, {})).toEqual([300, 400]);
    expect(keptOf(steps, { newest: 4 })).toEqual([200, 250, 300, 400]);
    expect(keptOf(steps.slice(0, 1), {})).toEqual([100]);
  });

  it('keeps those of every N steps, but not the start', () => {
    expect(keptOf(saved({ 0: null, 100: 1, 150: 1, 200: 1, 300: 1 }), { every: 100 })).toEqual([
      100, 200, 300,
    ]);
  });

  it('keeps the best, of those whose held-out loss is known', () => {
    expect(keptOf(steps, { newest: 1, best: 2 })).toEqual([200, 300, 400]);
    expect(keptOf(steps, { newest: 1, best: 9 })).toEqual([100, 200, 300, 400]);
  });

  it('says every reason', () => {
    const reasons = reasonsToKeep(steps, { newest: 3, every: 100, best: 1 });
    expect(reasons.get(200)).toEqual(['best', 'every']);
    expect(reasons.get(250)).toEqual(['newest']);
    expect(reasons.get(400)).toEqual(['newest', 'every']);
  });
});

describe('bestOf', () => {
  it('prefers the older of equal losses', () => {
    expect(bestOf(saved({ 1: 2, 2: 1, 3: 1 }), 2).map(({ step }) => step)).toEqual([2, 3]);
  });
});

describe('isAmongBest', () => {
  it('is true for a lower loss than the worst of the best, and while there are fewer', () => {
    expect(isAmongBest(steps, 2.6, 2)).toBe(true);
    expect(isAmongBest(steps, 2.7, 2)).toBe(false);
    expect(isAmongBest(steps, 9, 5)).toBe(true);
    expect(isAmongBest([], 9, 1)).toBe(true);
  });

  it('is false for a run that keeps none', () => {
    expect(isAmongBest([], 1, 0)).toBe(false);
  });
});

describe('mostKept', () => {
  const settings = { averageCheckpoints: 0, keepEvery: 0, keepBest: 0, saveEvery: 100 };

  it('adds the newest, the best and those of every N steps', () => {
    expect(mostKept(settings, 1000)).toBe(2);
    expect(mostKept({ ...settings, averageCheckpoints: 5 }, 1000)).toBe(5);
    expect(mostKept({ ...settings, keepBest: 3 }, 1000)).toBe(5);
    expect(mostKept({ ...settings, keepEvery: 250, keepBest: 1 }, 1000)).toBe(7);
  });

  it('is never more than the steps and the start', () => {
    expect(mostKept({ ...settings, keepBest: 100 }, 4)).toBe(5);
  });
});

it('a run keeps two checkpoints, or as many as it averages', () => {
  expect(retentionOf({ averageCheckpoints: 1, keepEvery: 7, keepBest: 3 })).toEqual({
    newest: 2,
    every: 7,
    best: 3,
  });
  expect(retentionOf({ averageCheckpoints: 4, keepEvery: 0, keepBest: 0 }).newest).toBe(4);
});
