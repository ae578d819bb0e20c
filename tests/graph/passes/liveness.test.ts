/** @file FLOPs and peak memory of graphs. */
import { describe, expect, it } from 'vitest';
import {
  add,
  concat,
  exp,
  graphOf,
  input,
  matmul,
  reshape,
  sum,
  transpose,
  type Value,
} from '../../../src-main/graph/ops/build.ts';
import { analyzeLiveness, countFlops } from '../../../src-main/graph/passes/liveness.ts';

const x = input('x', 'float32', [2, 3]);
const bytes = 24;

describe('countFlops', () => {
  it('counts 2·m·n·k for each matrix product', () => {
    const w = input('w', 'float32', [3, 5]);
    const b = input('b', 'float32', [7, 2, 3]);
    expect(countFlops(graphOf({ y: exp(matmul(x, w)) }))).toBe(2 * 2 * 3 * 5);
    expect(countFlops(graphOf({ y: matmul(b, w) }))).toBe(7 * 2 * 2 * 3 * 5);
    expect(countFlops(graphOf({ y: matmul(b, b, { transA: true }) }))).toBe(7 * 2 * 3 * 2 * 3);
  });
});

describe('analyzeLiveness', () => {
  const peakOf = (outputs: Record<string, Value>): number => analyzeLiveness(graphOf(outputs)).peakBytes;

  it('lets elementwise nodes write in place and views cost nothing', () => {
    expect(peakOf({ chain: exp(exp(exp(x))) })).toBe(bytes);
    expect(peakOf({ y: exp(reshape(exp(x), [6])) })).toBe(bytes);
  });

  it('keeps values until their last use and outputs until the end', () => {
    const a = exp(x);
    const t = transpose(a, [1, 0]);
    expect(peakOf({ y: add(exp(t), transpose(a, [1, 0])) })).toBe(3 * bytes);
    expect(peakOf({ a, y: exp(a) })).toBe(2 * bytes);
  });

  it('reports the node at the peak', () => {
    const wide = exp(concat([x, x, x], 0));
    const peak = analyzeLiveness(graphOf({ y: sum(wide) }));
    expect(peak.node!.op.name).toBe('ReduceSum');
    expect(peak.peakBytes).toBe(3 * bytes + 4);
  });

  it('is zero for a graph without nodes', () => {
    expect(analyzeLiveness(graphOf({ x }))).toEqual({ peakBytes: 0, liveValues: [] });
  });
});
