/** @file Gradients: unbroadcasting, several uses of a value, seeds, and values without a gradient. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AppError } from '../../../src-main/base/errors.ts';
import { countOf, emitOne, nodesOf, type Op } from '../../../src-main/graph/graph.ts';
import { streamingCost } from '../../../src-main/graph/op-cost.ts';
import {
  add,
  cast,
  constant,
  expand,
  greater,
  input,
  mean,
  mul,
  reshape,
  slice,
  split,
  sum,
  where,
  type Value,
} from '../../../src-main/graph/ops/build.ts';
import { grad, unbroadcast, vjp } from '../../../src-main/graph/passes/grad.ts';
import '../../support/close.ts';
import { evaluate, tensor, type Tensor } from '../../support/evaluate.ts';

/** The code of the AppError that `action` throws. */
const errorCodeOf = (action: () => unknown): unknown => {
  try {
    action();
  } catch (e) {
    return (e as AppError).code;
  }
  return 'nothing thrown';
};
const sineTensor = (shape: readonly number[], from = 0): Tensor =>
  tensor(
    shape,
    Array.from({ length: countOf(shape) }, (_, i) => Math.sin(from + 1 + i)),
  );
const innerProduct = (a: Tensor, b: Tensor): number => a.data.reduce((n, x, i) => n + x * b.data[i]!, 0);
const run = (v: Value, feeds: Record<string, Tensor>): Tensor => evaluate([v], feeds)[0]!;

describe('unbroadcast', () => {
  const shapes = fc
    .array(fc.integer({ min: 1, max: 3 }), { maxLength: 4 })
    .chain((big) =>
      fc
        .tuple(
          fc.constant(big),
          fc.nat({ max: big.length }),
          fc.array(fc.boolean(), { minLength: big.length, maxLength: big.length }),
        )
        .map(([all, drop, ones]) => ({ big: all, small: all.map((s, i) => (ones[i] ? 1 : s)).slice(drop) })),
    );

  it('is the adjoint of broadcasting: ⟨unbroadcast g, x⟩ = ⟨g, broadcast x⟩', () => {
    fc.assert(
      fc.property(shapes, ({ big, small }) => {
        const x = input('x', 'float32', small);
        const g = input('g', 'float32', big);
        const feeds = { x: sineTensor(small), g: sineTensor(big, 5) };
        const back = unbroadcast(g, x);
        expect(back.shape).toEqual(small);
        expect([innerProduct(run(back, feeds), feeds.x)]).toBeClose(
          [innerProduct(feeds.g, run(expand(x, big), feeds))],
          'float64',
        );
      }),
    );
  });

  it('rejects a gradient whose shape is no broadcast of the value', () => {
    expect(errorCodeOf(() => unbroadcast(input('g', 'float32', [2, 3]), input('x', 'float32', [2])))).toBe(
      'graph/shapes',
    );
  });
});

describe('grad', () => {
  const x = input('x', 'float32', [2, 3]);
  const feeds = { x: sineTensor([2, 3]) };

  it('sums the gradients of all uses of a value', () => {
    const [g] = grad(sum(add(mul(x, x), mul(3, x))), [x]);
    expect(run(g!, feeds).data).toBeClose(
      feeds.x.data.map((v) => 2 * v + 3),
      'float64',
    );
  });

  it('is zero for values that the loss does not depend on, and undefined from vjp', () => {
    const other = input('other', 'float32', [4]);
    const loss = sum(x);
    expect(run(grad(loss, [other])[0]!, {})).toEqual(tensor([4], [0, 0, 0, 0]));
    expect(vjp([{ value: loss, gradient: constant(1) }], [other, x]).map((g) => g?.shape)).toEqual([
      undefined,
      [2, 3],
    ]);
    expect(run(grad(sum(cast(greater(x, 0), 'float32')), [x])[0]!, feeds).data).toEqual(new Float64Array(6));
  });

  it('returns gradients of intermediate values and of their inputs', () => {
    const y = mul(x, 2);
    const [gy, gx] = grad(sum(mul(y, y)), [y, x]);
    expect(run(gy!, feeds).data).toBeClose(
      feeds.x.data.map((v) => 4 * v),
      'float64',
    );
    expect(run(gx!, feeds).data).toBeClose(
      feeds.x.data.map((v) => 8 * v),
      'float64',
    );
  });

  it('fills in zeros for unused parts of a split', () => {
    const [, second] = split(x, [1, 2], 1);
    const [g] = grad(sum(mul(second!, 5)), [x]);
    expect(run(g!, feeds).data).toEqual(Float64Array.of(0, 5, 5, 0, 5, 5));
  });

  it('starts from the given seed', () => {
    const [g] = grad(mean(x), [x], { seed: constant(12) });
    expect(run(g!, feeds).data).toBeClose(new Float64Array(6).fill(2), 'float64');
  });

  it('takes several seeds: a chain in two parts has the gradient of the whole chain', () => {
    const h = mul(x, x);
    const loss = sum(mul(h, slice(x, 0, 0, 1)));
    const [expected] = grad(loss, [x]);
    const cut = input('cut', 'float32', [2, 3]);
    const later = sum(mul(cut, slice(x, 0, 0, 1)));
    const [gc, direct] = vjp([{ value: later, gradient: constant(1) }], [cut, x]);
    const [through] = vjp([{ value: h, gradient: gc! }], [x]);
    const both = { ...feeds, cut: run(h, feeds) };
    expect(run(add(direct!, through!), both).data).toBeClose(run(expected!, feeds).data, 'float64');
  });

  it('keeps gradients of reductions unexpanded through elementwise operators', () => {
    const [g] = grad(mean(mul(x, x)), [x]);
    expect(nodesOf([g!]).filter((n) => n.op.name === 'Expand')).toHaveLength(0);
  });

  it('counts every use of a broadcast operand, also while its gradient is unexpanded', () => {
    const c = input('c', 'float32', [3]);
    const [g] = grad(sum(add(x, c)), [c]);
    expect(run(g!, { ...feeds, c: sineTensor([3]) }).data).toEqual(Float64Array.of(2, 2, 2));
    const [scalar] = grad(sum(mul(reshape(input('s', 'float32', []), [1]), x)), [x]);
    expect(scalar!.shape).toEqual([2, 3]);
  });

  it('rejects a loss that is not a scalar and an operator without a gradient rule', () => {
    const Mystery: Op = { name: 'Mystery', cost: streamingCost, castPolicy: 'float32', infer: ([v]) => [v!] };
    expect(errorCodeOf(() => grad(x, [x]))).toBe('graph/shapes');
    expect(() => grad(sum(emitOne(Mystery, [x], {})), [x])).toThrow(
      expect.objectContaining({ code: 'graph/no-gradient', detail: { op: 'Mystery' } }),
    );
    expect(errorCodeOf(() => grad(add(sum(x), sum(emitOne(Mystery, [constant(1)], {}))), [x]))).toBe(
      'nothing thrown',
    );
  });

  it('creates the same nodes every time', () => {
    const names = (): string[] =>
      nodesOf(grad(sum(where(greater(x, 0), mul(x, x), x)), [x])).map((n) => n.op.name);
    expect(names()).toEqual(names());
  });
});
