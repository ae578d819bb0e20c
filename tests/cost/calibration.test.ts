import { describe, expect, it } from 'vitest';
import {
  compareWithEstimate,
  correctionOf,
  describeAccuracy,
  type Ratio,
} from '../../src-main/cost/calibration.ts';
import { estimate, type DeviceEstimate } from '../../src-main/cost/estimate.ts';
import type { Target } from '../../src-main/cost/speed.ts';
import { estimateRequest, measuredCpu, unmeasuredCpu } from './subjects.ts';

const pastRuns = (...times: number[]): Ratio[] =>
  times.map((time, i) => ({
    precision: 'float32',
    basis: 'measured',
    run: `r${i}`,
    at: `2026-11-2${i}`,
    time,
    memory: null,
    corrected: time,
  }));

describe('correctionOf', () => {
  it('is the median of the last three runs', () => {
    expect(correctionOf([])).toEqual({ factor: 1, spread: 0 });
    expect(correctionOf([1.2, 1.1, 1.3, 9]).factor).toBe(1.2);
  });
});

describe('describeAccuracy', () => {
  it('reports the largest error of the last three runs', () => {
    expect(describeAccuracy(pastRuns(1.1, 0.95, 1.02))).toBe('last 3 runs: within 10 %');
    expect(describeAccuracy(pastRuns(1.2))).toBe('last run: within 20 %');
    expect(describeAccuracy(pastRuns(4, 1))).toBe('last 2 runs: within a factor of 4.0');
    expect(describeAccuracy([])).toBeUndefined();
  });
});

describe('compareWithEstimate', () => {
  it.each([
    [1, 'as estimated'],
    [1.1, '10 % more than estimated'],
    [0.9, '10 % less than estimated'],
    [27, '27 times the estimate'],
  ])('describes %d against 1 as "%s"', (actual, text) => {
    expect(compareWithEstimate(actual, 1)).toBe(text);
  });
});

describe('an estimate after runs on the device', () => {
  const estimateOn = (target: Target): DeviceEstimate =>
    estimate(estimateRequest({ targets: [target] })).here[0]!;
  const before = estimateOn(measuredCpu);

  it('is corrected, with a narrower range', () => {
    const after = estimateOn({ ...measuredCpu, past: pastRuns(1.2, 1.25, 1.18) });
    expect(after.step!.seconds).toBeCloseTo(1.2 * before.step!.plain, 9);
    expect(after.step!.plain).toBe(before.step!.plain);
    expect(after.seconds!.high / after.seconds!.low).toBeLessThan(before.seconds!.high / before.seconds!.low);
    expect(after.record).toMatch(/3 runs/);
  });

  it('ignores runs with another precision', () => {
    const past = pastRuns(1.2).map((ratio) => ({ ...ratio, precision: 'bfloat16' as const }));
    expect(estimateOn({ ...measuredCpu, past }).step!.seconds).toBe(before.step!.seconds);
  });

  it.each([
    ['the peak', { basis: 'peak' as const }, 1.2],
    ['an unknown basis', {}, 1],
  ])('does not correct measured rates by runs that were estimated from %s', (_, basis, peakFactor) => {
    const past = pastRuns(1.2).map(({ basis: _basis, ...ratio }) => ({ ...ratio, memory: 2, ...basis }));
    const after = estimateOn({ ...measuredCpu, past });
    expect(after.step!.seconds).toBe(before.step!.seconds);
    expect(after.memory.total.likely).toBe(2 * before.memory.total.likely);
    const fromPeak = estimateOn({ ...unmeasuredCpu, past }).step!.seconds;
    expect(fromPeak / estimateOn(unmeasuredCpu).step!.seconds).toBeCloseTo(peakFactor, 9);
  });
});
