/** @file Building values: shape errors, keys of constants, and the order of nodes. */
import { describe, expect, it } from 'vitest';
import { nodesOf, type Value } from '../../src-main/graph/graph.ts';
import {
  add,
  cast,
  concat,
  constant,
  crossEntropy,
  gather,
  input,
  matmul,
  reshape,
  scatterAdd,
  split,
  sum,
  transpose,
} from '../../src-main/graph/ops/build.ts';

const x = input('x', 'float32', [2, 3]);

describe('emit', () => {
  it('rejects shapes that do not fit and names the operator and the shapes', () => {
    const y = input('y', 'float32', [4, 3]);
    const i = input('i', 'int64', [2]);
    for (const [build, op, shapes] of [
      [() => add(x, y), 'Add', /float32\[2, 3\], float32\[4, 3\]: the shapes do not broadcast/],
      [() => add(x, i), 'Add', /do not broadcast/],
      [() => add(x, cast(x, 'float64')), 'Add', /types differ/],
      [() => matmul(x, y), 'MatMul', /inner sizes are 3 and 4/],
      [() => matmul(x, input('v', 'float32', [3])), 'MatMul', /two axes/],
      [() => concat([x, input('z', 'float32', [2, 2, 2])], 0), 'Concat', /other axes/],
      [() => split(x, [1, 1], 1), 'Split', /add up/],
      [() => reshape(x, [4, -1]), 'Reshape', /counts differ/],
      [() => transpose(x, [0, 0]), 'Transpose', /permutation/],
      [() => gather(x, y), 'Gather', /integers/],
      [() => sum(x, [2]), 'ReduceSum', /axis/],
      [() => crossEntropy(x, input('t', 'int64', [3])), 'CrossEntropy', /targets/],
      [() => scatterAdd(x, i, x, 0), 'ScatterElements', /fit/],
      [() => constant([1, 2], 'float32', [3]), 'constant', /2 elements/],
    ] as const) {
      expect(build, op).toThrow(
        expect.objectContaining({
          code: 'graph/shapes',
          detail: { op, shapes: expect.stringMatching(shapes) },
        }),
      );
    }
  });
});

describe('constant', () => {
  const keyOf = (value: Value): string => value.constant!.key;

  it('gives equal constants the same key and others different keys', () => {
    expect(keyOf(constant(2))).toBe(keyOf(constant([2], 'float32', [])));
    const different = [
      constant(2),
      constant(0),
      constant(-0),
      constant(2, 'int64'),
      constant([2]),
      constant(2, 'float32', [1, 1]),
    ];
    expect(new Set(different.map(keyOf)).size).toBe(6);
  });

  it('tells long constants apart by one element or by their order', () => {
    const longKey = (f: (i: number) => number): string =>
      keyOf(constant(Float32Array.from({ length: 500 }, (_, i) => f(i))));
    expect(longKey((i) => i)).toBe(longKey((i) => i));
    const different = [
      longKey((i) => i),
      longKey((i) => (i === 499 ? 0 : i)),
      longKey((i) => (i === 3 ? 4 : i === 4 ? 3 : i)),
    ];
    expect(new Set(different).size).toBe(3);
  });
});

describe('nodesOf', () => {
  it('walks deep graphs without deep recursion', () => {
    let v: Value = x;
    for (let i = 0; i < 50_000; i++) v = add(v, x);
    expect(nodesOf([v])).toHaveLength(50_000);
  });
});
