/** @file Quantiles of Student's t, and paired intervals: against tables, and their coverage on simulated losses. */
import { describe, expect, it } from 'vitest';
import { deriveKey, normalAt } from '../../src-main/base/random.ts';
import {
  meanLoss,
  pairedDifference,
  pooledSeedError,
  type SeedLosses,
} from '../../src-main/bakeoff/paired.ts';
import { criticalT, tailProbability } from '../../src-main/bakeoff/student-t.ts';

describe('quantiles of the t distribution', () => {
  // Printed tables of two-sided critical values.
  const table = [
    [0.05, 1, 12.7062],
    [0.05, 2, 4.30265],
    [0.05, 10, 2.22814],
    [0.01, 5, 4.03214],
    [0.05, 120, 1.97993],
    [0.001, 30, 3.64596],
    [0.05, 1e6, 1.95997],
  ] as const;

  it.each(table)('match printed tables at alpha %d and %d degrees of freedom', (alpha, df, value) => {
    expect(criticalT(alpha, df)).toBeCloseTo(value, 3);
  });

  it('invert the tail probability, also for fractional degrees of freedom', () => {
    for (const df of [0.7, 1.3, 8.5, 63])
      for (const alpha of [0.2, 0.05, 0.003])
        expect(tailProbability(criticalT(alpha, df), df)).toBeCloseTo(alpha, 9);
  });
});

/** Losses of a model: `level`, noise of each window that all models share, and noise of its own. */
const simulate = (
  key: number,
  level: number,
  { windows, seeds, own, seedNoise }: Record<'windows' | 'seeds' | 'own' | 'seedNoise', number>,
): SeedLosses =>
  Array.from({ length: seeds }, (_, s) => {
    const shift = seedNoise * normalAt(deriveKey(key, 'seed'), s);
    return Array.from(
      { length: windows },
      (__, w) => level + shift + normalAt(deriveKey(1, 'shared'), w) + own * normalAt(deriveKey(key, s), w),
    );
  });

describe('the interval of a paired difference', () => {
  it('ignores what all models share: noise 50 times the difference cancels', () => {
    const sizes = { windows: 64, seeds: 1, own: 0.02, seedNoise: 0 };
    const a = simulate(2, 3.02, sizes);
    const b = simulate(3, 3, sizes);
    const { mean, low, high } = pairedDifference(a, b, 0.05);
    expect(mean).toBeCloseTo(meanLoss(a) - meanLoss(b), 12);
    expect([low > 0, high < 0.05]).toEqual([true, true]);
  });

  it.each([
    { windows: 32, seeds: 1, own: 0.1, seedNoise: 0 },
    { windows: 32, seeds: 3, own: 0.1, seedNoise: 0.02 },
    { windows: 16, seeds: 2, own: 0.1, seedNoise: 0.1 },
  ])('covers the true difference at least 93 % of the time: %o', (sizes) => {
    const trials = 600;
    let covered = 0;
    for (let i = 0; i < trials; i++) {
      const a = simulate(deriveKey(11, i), 3.1, sizes);
      const b = simulate(deriveKey(12, i), 3, sizes);
      const { low, high } = pairedDifference(a, b, 0.05);
      if (low <= 0.1 && 0.1 <= high) covered++;
    }
    expect(covered / trials).toBeGreaterThan(0.93);
  });

  it('covers it too where the variance over seeds is pooled over models, and is then far narrower', () => {
    const sizes = { windows: 16, seeds: 2, own: 0.1, seedNoise: 0.1 };
    const trials = 600;
    let covered = 0;
    let pooledWidth = 0;
    let ownWidth = 0;
    for (let i = 0; i < trials; i++) {
      const models = [3.1, 3, 3.2, 3.3, 3].map((level, m) => simulate(deriveKey(20 + m, i), level, sizes));
      const [a, b] = models as [SeedLosses, SeedLosses];
      const { low, high } = pairedDifference(a, b, 0.05, pooledSeedError(models));
      const own = pairedDifference(a, b, 0.05);
      pooledWidth += high - low;
      ownWidth += own.high - own.low;
      if (low <= 0.1 && 0.1 <= high) covered++;
    }
    expect(covered / trials).toBeGreaterThan(0.93);
    expect(pooledWidth).toBeLessThan(0.5 * ownWidth);
  });

  it('is much wider when two seeds disagree', () => {
    const flat = (level: number): readonly number[] =>
      Array.from({ length: 32 }, (_, i) => level + 0.001 * (i % 3));
    const b = [flat(3), flat(3)];
    const agreeing = pairedDifference([flat(3.1), flat(3.1)], b, 0.05);
    const disagreeing = pairedDifference([flat(3.2), flat(3)], b, 0.05);
    expect(disagreeing.mean).toBeCloseTo(agreeing.mean, 12);
    expect(agreeing.low).toBeGreaterThan(0);
    expect([disagreeing.low < 0, disagreeing.high > 0.2]).toEqual([true, true]);
  });

  it('is a point where all differences are equal', () => {
    const a = [[1, 2, 3]];
    expect(pairedDifference(a, a, 0.05)).toEqual({ mean: 0, low: 0, high: 0 });
  });
});
