/** @file The comparison of two models' logits, against values computed by hand, and its tolerance. */
import { describe, expect, it } from 'vitest';
import { computeTolerance, createLogitComparison } from '../../src-main/growth/certificate.ts';

describe('createLogitComparison', () => {
  it('finds no difference between equal logits', () => {
    const comparison = createLogitComparison(3);
    const logits = Float32Array.of(1, 2, 3, 0, 0, 1);
    comparison.add(logits, logits, [2, 0]);
    const result = comparison.result();
    expect(result).toMatchObject({ maxLogit: 0, kl: 0, agreement: 1, tokens: 2 });
    expect(result.lossSource).toBe(result.lossGrown);
    expect(result.rmsLogit).toBeCloseTo(Math.sqrt(15 / 6), 12);
  });

  it('computes KL divergence and losses from log probabilities', () => {
    const comparison = createLogitComparison(2);
    comparison.add([Math.log(0.5), Math.log(0.5)], [Math.log(0.9), Math.log(0.1)], [1]);
    const result = comparison.result();
    expect(result.kl).toBeCloseTo(0.5 * Math.log(0.5 / 0.9) + 0.5 * Math.log(0.5 / 0.1), 12);
    expect(result.lossSource).toBeCloseTo(Math.log(2), 12);
    expect(result.lossGrown).toBeCloseTo(Math.log(10), 12);
    expect(result.maxLogit).toBeCloseTo(Math.log(5), 12);
  });

  it('gives the same result in blocks, and counts a position without a next token in all but the losses', () => {
    const source = Float32Array.from({ length: 12 }, (_, i) => Math.sin(i));
    const grown = source.map((logit, i) => logit + 0.01 * Math.cos(i));
    const nextTokens = [0, 1, 2, -1];
    const atOnce = createLogitComparison(3);
    atOnce.add(source, grown, nextTokens);
    const inBlocks = createLogitComparison(3);
    inBlocks.add(source.subarray(0, 6), grown.subarray(0, 6), nextTokens.slice(0, 2));
    inBlocks.add(source.subarray(6), grown.subarray(6), nextTokens.slice(2));
    expect(inBlocks.result()).toEqual(atOnce.result());
    expect(atOnce.result().tokens).toBe(4);
  });

  it('finds logits of another scale although the top token is the same', () => {
    const comparison = createLogitComparison(3);
    comparison.add([1, 2, 4], [0.5, 1, 2], [2]);
    const result = comparison.result();
    expect(result.agreement).toBe(1);
    expect(result.maxLogit).toBe(2);
    expect(result.kl).toBeGreaterThan(0.1);
  });

  it('reports NaN if a logit is NaN', () => {
    const comparison = createLogitComparison(2);
    comparison.add([1, 2, 3, 4], [Number.NaN, 2, 3, 4], [0, 1]);
    expect(comparison.result().maxLogit).toBeNaN();
  });
});

describe('computeTolerance', () => {
  it('depends on the least precise dtype, and grows with the logits', () => {
    expect(computeTolerance(['float32'], 0.3)).toBe(1e-4);
    expect(computeTolerance(['float32'], 10)).toBeCloseTo(1e-3, 12);
    expect(computeTolerance(['float32', 'bfloat16'], 1)).toBe(6e-2);
  });
});
