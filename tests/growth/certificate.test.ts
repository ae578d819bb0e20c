/** @file The comparison of two models' logits, against figures worked out by hand. */
import { describe, expect, it } from 'vitest';
import { createLogitComparison, computeTolerance } from '../../src-main/growth/certificate.ts';

describe('comparison', () => {
  it('of equal logits is nothing', () => {
    const c = createLogitComparison(3);
    const logits = Float32Array.of(1, 2, 3, 0, 0, 1);
    c.add(logits, logits, [2, 0]);
    const { maxLogit, kl, agreement, lossSource, lossGrown, tokens, rmsLogit } = c.result();
    expect([maxLogit, kl, agreement, tokens]).toEqual([0, 0, 1, 2]);
    expect(lossSource).toBe(lossGrown);
    expect(rmsLogit).toBeCloseTo(Math.sqrt(15 / 6), 12);
  });
  it('knows two coins', () => {
    const c = createLogitComparison(2);
    c.add([Math.log(0.5), Math.log(0.5)], [Math.log(0.9), Math.log(0.1)], [1]);
    const r = c.result();
    expect(r.kl).toBeCloseTo(0.5 * Math.log(0.5 / 0.9) + 0.5 * Math.log(0.5 / 0.1), 12);
    expect(r.lossSource).toBeCloseTo(Math.log(2), 12);
    expect(r.lossGrown).toBeCloseTo(Math.log(10), 12);
    expect(r.maxLogit).toBeCloseTo(Math.log(5), 12);
  });
  it('is the same in blocks, and counts positions without a next token for all but the losses', () => {
    const a = Float32Array.from({ length: 12 }, (_, i) => Math.sin(i));
    const b = a.map((x, i) => x + 0.01 * Math.cos(i));
    const next = [0, 1, 2, -1];
    const whole = createLogitComparison(3);
    const parts = createLogitComparison(3);
    whole.add(a, b, next);
    parts.add(a.subarray(0, 6), b.subarray(0, 6), next.slice(0, 2));
    parts.add(a.subarray(6), b.subarray(6), next.slice(2));
    expect(parts.result()).toEqual(whole.result());
    expect(whole.result().tokens).toBe(4);
  });
  it('scale errors show although the best token is the same', () => {
    const c = createLogitComparison(3);
    const a = [1, 2, 4];
    c.add(
      a,
      a.map((x) => x / 2),
      [2],
    );
    expect(c.result().agreement).toBe(1);
    expect(c.result().maxLogit).toBe(2);
    expect(c.result().kl).toBeGreaterThan(0.1);
  });
  it('what is not a number stays visible', () => {
    const c = createLogitComparison(2);
    c.add([1, 2, 3, 4], [Number.NaN, 2, 3, 4], [0, 1]);
    expect(c.result().maxLogit).toBeNaN();
  });
});

it('tolerance: the coarsest dtype decides, and large logits are rounded more', () => {
  expect(computeTolerance(['float32'], 0.3)).toBe(1e-4);
  expect(computeTolerance(['float32'], 10)).toBeCloseTo(1e-3, 12);
  expect(computeTolerance(['float32', 'bfloat16'], 1)).toBe(6e-2);
});
