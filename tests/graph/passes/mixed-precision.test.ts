/** @file Mixed precision of single operators. Whole training programs are tested in train/precision.test.ts. */
import { describe, expect, it } from 'vitest';
import { nodesOf, type Value } from '../../../src-main/graph/graph.ts';
import {
  add,
  exp,
  graphOf,
  input,
  matmul,
  mul,
  pad,
  softmax,
  split,
} from '../../../src-main/graph/ops/build.ts';
import { toMixedPrecision, type LowPrecisionType } from '../../../src-main/graph/passes/mixed-precision.ts';

const x = input('x', 'float32', [4, 4]);
const w = input('w', 'float32', [4, 4]);

/** Each node except casts, with the type of its first output. */
const nodeTypes = (y: Value, type: LowPrecisionType): string[] =>
  nodesOf(Object.values(toMixedPrecision(graphOf({ y }), type).outputs))
    .filter((node) => node.op.name !== 'Cast')
    .map((node) => `${node.op.name} ${node.outputs[0]!.dtype}`);

describe.each(['float16', 'bfloat16'] as const)('toMixedPrecision to %s', (type) => {
  it('keeps the types of inputs and outputs', () => {
    const graph = toMixedPrecision(graphOf({ y: matmul(x, w) }), type);
    expect([...graph.inputs, graph.outputs.y!].map((v) => v.dtype)).toEqual([
      'float32',
      'float32',
      'float32',
    ]);
  });

  it('computes products in low precision, and what promotes after them', () => {
    expect(nodeTypes(add(matmul(x, w), 1), type)).toEqual([`MatMul ${type}`, `Add ${type}`]);
  });

  it('computes in float32 what must be exact, and squares', () => {
    expect(nodeTypes(exp(matmul(x, w)), type)).toEqual([`MatMul ${type}`, 'Exp float32']);
    const product = matmul(x, w);
    expect(nodeTypes(mul(product, product), type)).toEqual([`MatMul ${type}`, 'Mul float32']);
  });

  it('computes softmax in float32 and stores it in low precision', () => {
    expect(nodeTypes(matmul(softmax(x), w), type)).toEqual(['Softmax float32', `MatMul ${type}`]);
    expect(nodeTypes(add(softmax(x), 1), type)).toEqual(['Softmax float32', `Add ${type}`]);
  });

  it('promotes to float32 if a constant does not fit into the type', () => {
    const expected = type === 'float16' ? 'float32' : type;
    expect(nodeTypes(mul(matmul(x, w), 1e6), type)).toEqual([`MatMul ${type}`, `Mul ${expected}`]);
  });

  it('pads in float32 under bfloat16, for which CUDA has no kernel', () => {
    const expected = type === 'float16' ? type : 'float32';
    expect(nodeTypes(pad(matmul(x, w), [1, 0], [0, 0]), type)).toEqual([`MatMul ${type}`, `Pad ${expected}`]);
  });

  it('casts a weight once and then splits it', () => {
    const [first, second] = split(w, [2, 2], 1) as [Value, Value];
    const y = matmul(matmul(x, first), second, { transB: true });
    expect(nodeTypes(y, type)).toEqual([`Split ${type}`, `MatMul ${type}`, `MatMul ${type}`]);
    const casts = nodesOf(Object.values(toMixedPrecision(graphOf({ y }), type).outputs)).filter(
      (node) => node.op.name === 'Cast' && node.inputs[0] === w,
    );
    expect(casts).toHaveLength(1);
  });
});
