/** @file Mixed precision of single operators. Whole training programs are tested in train/precision.test.ts. */
import { describe, expect, it } from 'vitest';
import { emit, nodesOf, type Value } from '../../../src-main/graph/graph.ts';
import { ops } from '../../../src-main/graph/ops/index.ts';
import { lacksKernel, type Provider } from '../../../src-main/graph/providers.ts';
import {
  accumulate,
  add,
  div,
  exp,
  graphOf,
  input,
  log,
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
const nodeTypes = (y: Value, type: LowPrecisionType, provider: Provider): string[] =>
  nodesOf(Object.values(toMixedPrecision(graphOf({ y }), type, provider).outputs))
    .filter((node) => node.op.name !== 'Cast')
    .map((node) => `${node.op.name} ${node.outputs[0]!.dtype}`);

const targets = [
  ['float16', 'webgpu'],
  ['float16', 'cuda'],
  ['bfloat16', 'cuda'],
] as const;

describe.each(targets)('toMixedPrecision to %s for %s', (type, provider) => {
  it('keeps the types of inputs and outputs', () => {
    const graph = toMixedPrecision(graphOf({ y: matmul(x, w) }), type, provider);
    expect([...graph.inputs, graph.outputs.y!].map((v) => v.dtype)).toEqual([
      'float32',
      'float32',
      'float32',
    ]);
  });

  it('computes products in low precision, and what promotes after them', () => {
    expect(nodeTypes(add(matmul(x, w), 1), type, provider)).toEqual([`MatMul ${type}`, `Add ${type}`]);
  });

  it('computes in float32 what must be exact, and squares', () => {
    expect(nodeTypes(log(matmul(x, w)), type, provider)).toEqual([`MatMul ${type}`, 'Log float32']);
    const product = matmul(x, w);
    expect(nodeTypes(mul(product, product), type, provider)).toEqual([`MatMul ${type}`, 'Mul float32']);
  });

  it('computes softmax in float32, inside the kernel where it does, and stores it in low precision', () => {
    const inside = provider === 'cuda' ? type : 'float32';
    const scores = matmul(x, w);
    expect(nodeTypes(matmul(softmax(scores), w), type, provider)).toEqual([
      `MatMul ${type}`,
      `Softmax ${inside}`,
      `MatMul ${type}`,
    ]);
    expect(nodeTypes(add(softmax(x), 1), type, provider)).toEqual(['Softmax float32', `Add ${type}`]);
  });

  it('stores the statistics of a norm in float32', () => {
    const y = emit(ops.RmsNorm, [matmul(x, w), input('gain', 'float32', [4])], { eps: 1e-5 });
    const graph = toMixedPrecision(graphOf({ y: y[0]!, factor: y[1]! }), type, provider);
    expect(Object.values(graph.outputs).map((v) => v.dtype)).toEqual(['float32', 'float32']);
  });

  it('rounds row statistics under bfloat16 and widens the rows under float16', () => {
    const rows = matmul(input('long', 'float32', [4, 64]), input('wide', 'float32', [64, 64]));
    const statistic = exp(input('statistic', 'float32', [4, 1]));
    const expected = type === 'bfloat16' ? type : 'float32';
    expect(nodeTypes(mul(rows, statistic), type, provider)).toEqual([
      `MatMul ${type}`,
      'Exp float32',
      `Mul ${expected}`,
    ]);
  });

  it('keeps what may overflow in float32 under float16', () => {
    const expected = type === 'bfloat16' ? type : 'float32';
    expect(nodeTypes(exp(matmul(x, w)), type, provider)).toEqual([`MatMul ${type}`, `Exp ${expected}`]);
    expect(nodeTypes(div(matmul(x, w), 3), type, provider)).toEqual([`MatMul ${type}`, `Div ${expected}`]);
  });

  it('adds up parts in float32', () => {
    const sum = accumulate(matmul(x, w), matmul(w, x));
    expect(nodeTypes(sum, type, provider).at(-1)).toBe('Accumulate float32');
  });

  it('promotes to float32 if a constant does not fit into the type', () => {
    const expected = type === 'float16' ? 'float32' : type;
    expect(nodeTypes(mul(matmul(x, w), 1e6), type, provider)).toEqual([`MatMul ${type}`, `Mul ${expected}`]);
  });

  it('never chooses a kernel that the provider lacks', () => {
    const expected = lacksKernel(provider, 'Pad', type) ? 'float32' : type;
    const y = pad(matmul(x, w), [1, 0], [0, 0]);
    expect(nodeTypes(y, type, provider)).toEqual([`MatMul ${type}`, `Pad ${expected}`]);
  });

  it('casts a weight once and then splits it', () => {
    const [first, second] = split(w, [2, 2], 1) as [Value, Value];
    const y = matmul(matmul(x, first), second, { transB: true });
    expect(nodeTypes(y, type, provider)).toEqual([`Split ${type}`, `MatMul ${type}`, `MatMul ${type}`]);
    const casts = nodesOf(Object.values(toMixedPrecision(graphOf({ y }), type, provider).outputs)).filter(
      (node) => node.op.name === 'Cast' && node.inputs[0] === w,
    );
    expect(casts).toHaveLength(1);
  });
});
