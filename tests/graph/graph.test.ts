/** @file Values, composites, checks, the printed form and the costs of graphs. */
import { describe, expect, it } from 'vitest';
import {
  add,
  cast,
  concat,
  constant,
  constantBy,
  crossEntropy,
  exp,
  gather,
  graphOf,
  input,
  isFinite,
  matmul,
  mul,
  reshape,
  scatterElements,
  split,
  sum,
  transpose,
} from '../../src-main/graph/ops/build.ts';
import { exportable, trainable, wellFormed } from '../../src-main/graph/passes/check.ts';
import { flopsOf, liveness } from '../../src-main/graph/passes/liveness.ts';
import { emitOne, nodesOf, type Graph, type Op, type Value } from '../../src-main/graph/graph.ts';
import { print } from '../../src-main/graph/print.ts';
import '../support/close.ts';
import { evaluate, tensor } from '../support/evaluate.ts';
import { runOnnx } from './run-onnx.ts';

const x = input('x', 'float32', [2, 3]);
const invalid = (pass: string, node: unknown, why: unknown): unknown =>
  expect.objectContaining({ code: 'graph/invalid', detail: { pass, node, why } });

describe('values', () => {
  it('refuse shapes that do not fit, naming the op and the shapes', () => {
    const y = input('y', 'float32', [4, 3]);
    const i = input('i', 'int64', [2]);
    for (const [act, op, shapes] of [
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
      [() => scatterElements(x, i, x, 0), 'ScatterElements', /fit/],
      [() => constant([1, 2], 'float32', [3]), 'constant', /2 elements/],
    ] as const)
      expect(act, op).toThrow(
        expect.objectContaining({
          code: 'graph/shapes',
          detail: { op, shapes: expect.stringMatching(shapes) },
        }),
      );
  });

  it('share the keys of equal constants only', () => {
    const long = (f: (i: number) => number): string =>
      constant(Float32Array.from({ length: 500 }, (_, i) => f(i))).constant!.key;
    expect(constant(2).constant!.key).toBe(constant([2], 'float32', []).constant!.key);
    expect(
      new Set(
        [
          constant(2),
          constant(0),
          constant(-0),
          constant(2, 'int64'),
          constant([2]),
          constant(2, 'float32', [1, 1]),
        ].map((v) => v.constant!.key),
      ).size,
    ).toBe(6);
    expect(long((i) => i)).toBe(long((i) => i));
    expect(
      new Set([
        long((i) => i),
        long((i) => (i === 499 ? 0 : i)),
        long((i) => (i === 3 ? 4 : i === 4 ? 3 : i)),
      ]).size,
    ).toBe(3);
  });

  it('tell finite from not, on ONNX Runtime as in the meaning', async () => {
    const feeds = { x: tensor([2, 3], [1, -3e38, NaN, Infinity, -Infinity, 0]) };
    const graph = graphOf({ y: cast(isFinite(x), 'float32') });
    expect([...(await runOnnx(graph, feeds)).y!.data]).toEqual([1, 1, 0, 0, 0, 1]);
    expect([...evaluate([graph.outputs.y!], feeds)[0]!.data]).toEqual([1, 1, 0, 0, 0, 1]);
  });
});

describe('checks', () => {
  const Mystery: Op = { name: 'Mystery', infer: ([v]) => [v!], onnx: null };

  it('well-formed: names, order and types', () => {
    const good = graphOf({ y: mul(x, 2) });
    wellFormed(good, 'test');
    expect(() => {
      wellFormed({ ...good, inputs: [] }, 'pass');
    }).toThrow(invalid('pass', 'Mul(float32[2, 3], float32[])', 'the input x is not listed') as Error);
    expect(() => {
      wellFormed({ ...good, inputs: [x, input('x', 'int32', [])] }, 'pass');
    }).toThrow(invalid('pass', 'x', expect.any(String)) as Error);
    expect(() => {
      wellFormed(graphOf({ x: mul(x, 2) }), 'pass');
    }).toThrow(invalid('pass', 'x', 'an input has that name already') as Error);
    const { node } = mul(x, 2);
    const wrong: Value = { id: 1e9, dtype: 'float32', shape: [9] };
    const broken: Graph = { inputs: [x], outputs: { y: { ...wrong, node: { ...node!, outputs: [wrong] } } } };
    expect(() => {
      wellFormed(broken, 'pass');
    }).toThrow(
      invalid(
        'pass',
        expect.stringContaining('Mul'),
        'its outputs are float32[9] but should be float32[2, 3]',
      ) as Error,
    );
  });

  it('trainable: a rule on every path, and a path to every weight', () => {
    trainable(sum(mul(x, 2)), [x], 'test');
    expect(() => {
      trainable(sum(emitOne(Mystery, [x], {})), [x], 'pass');
    }).toThrow(invalid('pass', 'Mystery(float32[2, 3])', 'it has no gradient rule') as Error);
    expect(() => {
      trainable(sum(x), [x, input('w', 'float32', [])], 'pass');
    }).toThrow(invalid('pass', 'w', 'the loss does not depend on it') as Error);
  });

  it('exportable: operators and element types of the provider', () => {
    const half = cast(x, 'bfloat16');
    exportable(graphOf({ y: cast(half, 'float32') }), 'cpu', 'test');
    exportable(graphOf({ y: mul(half, 2) }), 'cuda', 'test');
    expect(() => {
      exportable(graphOf({ y: mul(half, 2) }), 'cpu', 'pass');
    }).toThrow(
      invalid('pass', expect.stringContaining('Mul(bfloat16'), 'cpu does not compute in bfloat16') as Error,
    );
    expect(() => {
      exportable(graphOf({ y: emitOne(Mystery, [x], {}) }), 'cpu', 'pass');
    }).toThrow(invalid('pass', 'Mystery(float32[2, 3])', 'cpu has no such operator') as Error);
  });
});

describe('print', () => {
  it('shows a graph as text, the same each time', () => {
    const text = (): string => {
      const v = input('v', 'float32', [2, 4]);
      const [a, c] = split(v, [1, 3], 1);
      const table = constantBy('t', 'float32', [100], () => []);
      return print(graphOf({ y: sum(mul(a!, 0.1), [1]), z: c!, t: table }));
    };
    expect(text()).toBe(text());
    expect(text()).toMatchInlineSnapshot(`
      "input v: float32[2, 4]
      %0, %1 = Split(v) {sizes: [1, 3], axis: 1}: float32[2, 1], float32[2, 3]
      %2 = Mul(%0, 0.1): float32[2, 1]
      %3 = ReduceSum(%2) {axes: [1], keep: false}: float32[2]
      output y = %3
      output z = %1
      output t = float32[100]"
    `);
  });
});

describe('costs', () => {
  it('counts the operations of products', () => {
    const w = input('w', 'float32', [3, 5]);
    const b = input('b', 'float32', [7, 2, 3]);
    expect(flopsOf(graphOf({ y: exp(matmul(x, w)) }))).toBe(2 * 2 * 3 * 5);
    expect(flopsOf(graphOf({ y: matmul(b, w) }))).toBe(7 * 2 * 2 * 3 * 5);
    expect(flopsOf(graphOf({ y: matmul(b, b, { transA: true }) }))).toBe(7 * 2 * 3 * 2 * 3);
  });

  it('follows what is alive: views are free, elementwise nodes write in place, outputs stay', () => {
    const bytes = 24;
    const chain = exp(exp(exp(x)));
    expect(liveness(graphOf({ chain })).peak).toBe(bytes);
    expect(liveness(graphOf({ y: exp(reshape(exp(x), [6])) })).peak).toBe(bytes);
    const a = exp(x);
    const t = transpose(a, [1, 0]);
    expect(liveness(graphOf({ y: add(exp(t), transpose(a, [1, 0])) })).peak).toBe(3 * bytes);
    expect(liveness(graphOf({ a, y: exp(a) })).peak).toBe(2 * bytes);
    expect(liveness(graphOf({ x }))).toEqual({ peak: 0, held: [] });
    const wide = exp(concat([x, x, x], 0));
    const peak = liveness(graphOf({ y: sum(wide) }));
    expect(peak.at!.op.name).toBe('ReduceSum');
    expect(peak.peak).toBe(3 * bytes + 4);
  });

  it('visits deep graphs without deep recursion', () => {
    let v: Value = x;
    for (let i = 0; i < 50_000; i++) v = add(v, x);
    expect(nodesOf([v])).toHaveLength(50_000);
  });
});
