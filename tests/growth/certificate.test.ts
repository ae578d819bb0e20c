/** @file The numbers that a certificate collects over a text, its verdict, and the tolerance of rounding. */
import { describe, expect, it } from 'vitest';
import { computeTolerance, createComparison, judge } from '../../src-main/growth/certificate.ts';
import {
  histogramEdges,
  statisticCount,
  statistics,
  type Statistic,
} from '../../src-main/growth/compare-logits.ts';
import { certificateLimits, type ModelDifference } from '../../src-main/model/certificate.ts';
import { promiseKinds } from '../../src-main/model/promise.ts';

/** The statistics of one position; `above` is the number of differences above each edge. */
function makeRow(
  values: Partial<Record<Statistic, number>>,
  above: readonly number[] = histogramEdges.map(() => 0),
): Float32Array {
  const row = new Float32Array(statisticCount);
  for (const [i, name] of statistics.entries()) row[i] = values[name] ?? 0;
  row.set(above, statistics.length);
  return row;
}

const join = (rows: readonly Float32Array[]): Float32Array =>
  Float32Array.from(rows.flatMap((row) => [...row]));

const settings = { vocab: 10, contextLength: 4, rankBy: 'maxLogit' } as const;

describe('a comparison', () => {
  it('averages over positions, and scales the logits by their number', () => {
    const comparison = createComparison(settings);
    comparison.add(
      join([
        makeRow({ squares: 40, lossSource: 1, lossGrown: 2, kl: 0.5, maxLogit: 1, topGrown: 3 }),
        makeRow({ squares: 120, lossSource: 3, lossGrown: 2, kl: 1.5, maxLogit: 0.25, newTokenShare: 0.5 }),
      ]),
    );
    expect(comparison.difference()).toEqual({
      tokens: 2,
      nonFinite: 0,
      maxLogit: 1,
      rmsLogit: Math.sqrt(160 / 20),
      kl: 1,
      lossSource: 2,
      lossGrown: 2,
      agreement: 0.5,
      newTokenShare: 0.25,
    });
  });

  it('is the same in blocks', () => {
    const rows = Array.from({ length: 12 }, (_, i) =>
      makeRow({
        maxLogit: Math.abs(Math.sin(i)),
        squares: i,
        lossSource: i,
        lossGrown: i / 2,
        moment2: 1e-3 * i,
      }),
    );
    const atOnce = createComparison(settings);
    atOnce.add(join(rows));
    const inBlocks = createComparison(settings);
    for (const at of [0, 4, 8]) inBlocks.add(join(rows.slice(at, at + 4)));
    expect(inBlocks.difference()).toEqual(atOnce.difference());
    expect(inBlocks.details()).toEqual(atOnce.details());
    expect(inBlocks.worst()).toEqual(atOnce.worst());
  });

  it('counts every logit difference in one bin of the histogram', () => {
    const comparison = createComparison(settings);
    const above = histogramEdges.map((_, i) => Math.max(0, 8 - i));
    comparison.add(join([makeRow({}, above), makeRow({})]));
    const { edges, counts } = comparison.details().histogram;
    expect(counts).toHaveLength(edges.length + 1);
    expect(counts.reduce((a, b) => a + b, 0)).toBe(2 * settings.vocab);
    expect(counts.slice(0, 3)).toEqual([12, 1, 1]);
  });

  it('has the mean loss of each position in the window, in a bounded number of bins', () => {
    const comparison = createComparison(settings);
    const rows = Array.from({ length: 8 }, (_, i) => makeRow({ lossSource: i, lossGrown: 10 * i }));
    comparison.add(join(rows));
    expect(comparison.details().byPosition).toEqual({
      width: 1,
      source: [2, 3, 4, 5],
      grown: [20, 30, 40, 50],
    });
    const long = createComparison({ ...settings, contextLength: 1000 });
    long.add(join(Array.from({ length: 1000 }, (_, i) => makeRow({ lossSource: i }))));
    const { width, source } = long.details().byPosition;
    expect(source.length).toBeLessThanOrEqual(certificateLimits.positions);
    expect(source.length * width).toBeGreaterThanOrEqual(1000);
    expect(source[0]).toBe((width - 1) / 2);
  });

  it.each(['maxLogit', 'kl'] as const)('keeps the positions that differ most by %s', (rankBy) => {
    const comparison = createComparison({ ...settings, rankBy });
    const sizes = Array.from({ length: 30 }, (_, i) => (i * 7) % 30);
    comparison.add(join(sizes.map((size) => makeRow({ maxLogit: rankBy === 'kl' ? 1 : size, kl: size }))));
    const worst = comparison.worst();
    expect(worst).toHaveLength(certificateLimits.worst);
    expect(worst.map((position) => sizes[position.token])).toEqual([29, 28, 27, 26, 25, 24, 23, 22, 21, 20]);
    expect(worst.map(({ token, position }) => token % 4 === position)).not.toContain(false);
  });

  it('leaves positions with a logit that is not finite out of all numbers, and counts them', () => {
    const comparison = createComparison(settings);
    comparison.add(
      join([makeRow({ lossGrown: Number.NaN, maxLogit: 9 }), makeRow({ lossSource: 2, maxLogit: 1 })]),
    );
    expect(comparison.difference()).toMatchObject({ tokens: 2, nonFinite: 1, maxLogit: 1, lossSource: 2 });
  });
});

describe('the verdict', () => {
  const difference: ModelDifference = {
    tokens: 2,
    nonFinite: 0,
    maxLogit: 0.5,
    rmsLogit: 1,
    kl: 0,
    lossSource: 1,
    lossGrown: 1,
    agreement: 1,
    newTokenShare: 0,
  };
  it.each([
    ['function-preserving', 1, 'passed'],
    ['function-preserving', 0.1, 'failed'],
    ['old-logits', 1, 'passed'],
    ['old-logits', 0.1, 'failed'],
    ['none', 1, 'measured'],
    ['none', 0.1, 'measured'],
  ] as const)('of %s with a tolerance of %s is %s', (promise, tolerance, verdict) => {
    expect(judge(promise, difference, tolerance)).toBe(verdict);
  });
  it.each(promiseKinds)('of %s is that it failed if a logit is not finite, or if all are zero', (promise) => {
    expect(judge(promise, { ...difference, nonFinite: 1 }, 1)).toBe('failed');
    expect(judge(promise, { ...difference, rmsLogit: 0 }, 1)).toBe('failed');
  });
});

describe('computeTolerance', () => {
  it('depends on the least precise dtype, and grows with the logits', () => {
    expect(computeTolerance(['float32'], 0.3)).toBe(1e-4);
    expect(computeTolerance(['float32'], 10)).toBeCloseTo(1e-3, 12);
    expect(computeTolerance(['float32', 'bfloat16'], 1)).toBe(6e-2);
  });
});
