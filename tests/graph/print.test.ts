/** @file Graphs printed as text. */
import { describe, expect, it } from 'vitest';
import { graphOf, input, lazyConstant, mul, split, sum } from '../../src-main/graph/ops/build.ts';
import { printGraph } from '../../src-main/graph/print.ts';

describe('printGraph', () => {
  it('prints equal graphs as the same text', () => {
    const print = (): string => {
      const v = input('v', 'float32', [2, 4]);
      const [a, c] = split(v, [1, 3], 1);
      const table = lazyConstant('t', 'float32', [100], () => []);
      return printGraph(graphOf({ y: sum(mul(a!, 0.1), [1]), z: c!, t: table }));
    };
    expect(print()).toBe(print());
    expect(print()).toMatchInlineSnapshot(`
      "input v: float32[2, 4]
      %0, %1 = Split(v) {sizes: [1, 3], axis: 1}: float32[2, 1], float32[2, 3]
      %2 = Mul(%0, 0.1): float32[2, 1]
      %3 = ReduceSum(%2) {axes: [1], keepdim: false}: float32[2]
      output y = %3
      output z = %1
      output t = float32[100]"
    `);
  });
});
