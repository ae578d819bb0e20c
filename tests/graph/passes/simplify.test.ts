/** @file Every simplification: it is applied, it keeps the values, and similar graphs are left alone. */
import { describe, expect, it } from 'vitest';
import { countOf, emitOne, nodesOf, type Value } from '../../../src-main/graph/graph.ts';
import * as b from '../../../src-main/graph/ops/build.ts';
import { Expand, Reshape, Transpose } from '../../../src-main/graph/ops/movement.ts';
import { checkWellFormed } from '../../../src-main/graph/passes/check.ts';
import { grad } from '../../../src-main/graph/passes/grad.ts';
import { simplify } from '../../../src-main/graph/passes/simplify.ts';
import '../../support/close.ts';
import { evaluate, tensor, type Tensor } from '../../support/evaluate.ts';

const sineTensor = (shape: readonly number[]): Tensor =>
  tensor(
    shape,
    Array.from({ length: countOf(shape) }, (_, i) => Math.sin(1 + i)),
  );
const x = b.input('x', 'float32', [2, 3]);
const y = b.input('y', 'float32', [2, 3]);
const column = b.input('column', 'float32', [2, 1]);
const table = b.input('table', 'float32', [5, 3]);
const ids = b.input('ids', 'int64', [4]);
const updates = b.input('updates', 'float32', [4, 3]);
const cube = b.input('cube', 'float32', [2, 3, 4]);
const feeds = {
  x: sineTensor([2, 3]),
  y: sineTensor([2, 3]),
  column: sineTensor([2, 1]),
  table: sineTensor([5, 3]),
  ids: tensor([4], [1, 4, 1, 0]),
  updates: sineTensor([4, 3]),
  cube: sineTensor([2, 3, 4]),
};

/** A value, and the operators that compute it after simplification. */
const cases: readonly (readonly [title: string, value: Value, remaining: readonly string[]])[] = [
  ['x + 0', b.add(x, 0), []],
  ['0 + x', b.add(0, x), []],
  ['x - 0', b.sub(x, 0), []],
  ['x × 1', b.mul(x, 1), []],
  ['1 × x', b.mul(1, x), []],
  ['x ÷ 1', b.div(x, 1), []],
  ['0 - x stays', b.sub(0, x), ['Sub']],
  ['1 ÷ x stays', b.div(1, x), ['Div']],
  ['x + expanded zeros', b.add(x, b.zerosLike(x)), []],
  ['a broadcasting × 1 stays', b.mul(column, b.constant([1, 1, 1])), ['Mul']],
  ['× expanded ones keeps the shape', b.mul(b.expand(column, [2, 3]), b.full([2, 3], 1)), ['Expand']],
  ['nested factors', b.mul(b.mul(b.mul(x, 3), 5), 7), ['Mul']],
  ['factors on the left', b.mul(3, b.mul(b.mul(5, x), 7)), ['Mul']],
  ['double negation', b.neg(b.neg(x)), []],
  ['identity', b.identity(b.identity(x)), []],
  ['double transposition', b.transpose(b.transpose(x, [1, 0]), [1, 0]), []],
  ['two transpositions become one', b.transpose(b.transpose(cube, [1, 2, 0]), [0, 2, 1]), ['Transpose']],
  [
    'three transpositions become none',
    b.transpose(b.transpose(b.transpose(cube, [1, 2, 0]), [1, 2, 0]), [1, 2, 0]),
    [],
  ],
  ['a transposition by the identity', emitOne(Transpose, [x], { perm: [0, 1] }), []],
  ['two reshapes become one', b.reshape(b.reshape(x, [6]), [3, 2]), ['Reshape']],
  ['a reshape and back', b.reshape(b.reshape(x, [6]), [2, 3]), []],
  ['a reshape to the same shape', emitOne(Reshape, [x], { shape: [2, 3] }), []],
  ['two expands become one', b.expand(b.expand(column, [2, 3]), [4, 2, 3]), ['Expand']],
  ['an expand to the same shape', emitOne(Expand, [x], { shape: [2, 3] }), []],
  ['an expand that broadcasting makes unnecessary', b.mul(b.expand(column, [2, 3]), x), ['Mul']],
  [
    'an expand that gives the result its shape stays',
    b.mul(b.expand(column, [2, 3]), b.constant(2)),
    ['Expand', 'Mul'],
  ],
  ['a transposed operand', b.matmul(x, b.transpose(y, [1, 0])), ['MatMul']],
  [
    'two transposed operands',
    b.matmul(b.transpose(x, [1, 0]), b.transpose(y, [1, 0]), { transA: true, alpha: 2 }),
    ['MatMul'],
  ],
  ['equal nodes', b.add(b.exp(x), b.exp(x)), ['Exp', 'Add']],
  [
    'equal nodes of equal constants',
    b.add(b.mul(x, b.constant([1, 2, 3])), b.mul(x, b.constant([1, 2, 3]))),
    ['Mul', 'Add'],
  ],
  [
    'different constants',
    b.add(b.mul(x, b.constant([1, 2, 3])), b.mul(x, b.constant([1, 2, 4]))),
    ['Mul', 'Mul', 'Add'],
  ],
  [
    'different attributes',
    b.add(b.sum(x, [0]), b.sum(b.mul(x, 1), [0], { keepdim: true })),
    ['ReduceSum', 'ReduceSum', 'Add'],
  ],
  [
    'a sum with rows scattered into zeros',
    b.add(b.mul(table, 2), b.scatterAddRows(b.zerosLike(table), ids, updates)),
    ['Mul', 'Reshape', 'ScatterND'],
  ],
  [
    'rows scattered into a table stay',
    b.add(b.mul(table, 2), b.scatterAddRows(table, ids, updates)),
    ['Mul', 'Reshape', 'ScatterND', 'Add'],
  ],
];

describe('simplify', () => {
  it.each(cases)('%s', (_, value, remaining) => {
    const before = b.graphOf({ value });
    const after = simplify(before);
    checkWellFormed(after, 'simplify');
    expect(nodesOf([after.outputs.value!]).map((n) => n.op.name)).toEqual(remaining);
    const [expected, actual] = evaluate([value, after.outputs.value!], feeds);
    expect(actual!.shape).toEqual(expected!.shape);
    expect(actual!.data).toBeClose(expected!.data, 'float64', expected!.shape);
  });

  it('drops nodes that no output needs, and keeps listed inputs and names', () => {
    const unused = b.exp(y);
    const graph = b.graphOf({ a: b.mul(x, 2), b: x }, [x, y]);
    const after = simplify(graph);
    expect(nodesOf(Object.values(after.outputs)).map((n) => n.op.name)).toEqual(['Mul']);
    expect(nodesOf(Object.values(after.outputs)).flatMap((n) => n.inputs)).not.toContain(unused);
    expect(after.inputs).toEqual([x, y]);
    expect(Object.keys(after.outputs)).toEqual(['a', 'b']);
    expect(after.outputs.b).toBe(x);
  });

  it('shares equal splits', () => {
    const [a] = b.split(cube, [1, 2], 1);
    const [, c] = b.split(cube, [1, 2], 1);
    const after = simplify(b.graphOf({ a: a!, c: c! }));
    expect(nodesOf(Object.values(after.outputs))).toHaveLength(1);
  });

  it('finds nothing more to simplify the second time, in a gradient', () => {
    const loss = b.mean(b.square(b.matmul(b.softmax(b.mul(x, 0.5)), y, { transB: true })));
    const once = simplify(b.graphOf(Object.fromEntries(grad(loss, [x, y]).map((g, i) => [`g${i}`, g]))));
    const twice = simplify(once);
    const names = (g: typeof once): string[] => nodesOf(Object.values(g.outputs)).map((n) => n.op.name);
    expect(names(twice)).toEqual(names(once));
  });
});
