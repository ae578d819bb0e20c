/**
 * @file Dynamic axes: one model computes what each program of fixed lengths does, and programs that cannot be
 * made dynamic are rejected.
 */
import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { encodeOnnxModel, lowerGraph } from '../../../src-main/graph/onnx.ts';
import {
  add,
  concat,
  constant,
  graphOf,
  input,
  matmul,
  mul,
  reshape,
  slice,
  sum,
  transpose,
  type Graph,
  type Value,
} from '../../../src-main/graph/ops/build.ts';
import { addDynamicAxes } from '../../../src-main/graph/passes/dynamic-axes.ts';
import { simplify } from '../../../src-main/graph/passes/simplify.ts';
import { expectAppError } from '../../support/expect-app-error.ts';

const lengths = { rows: [101, 103], more: [211, 223], 'rows + more': [312, 326] } as const;
type Build = (rows: number, more: number) => Graph;

const lowerFor = (build: Build, choice: 0 | 1): Graph =>
  lowerGraph(simplify(build(lengths.rows[choice], lengths.more[choice])), 'cpu');
const addAxesTo = (build: Build): ReturnType<typeof addDynamicAxes> =>
  addDynamicAxes(lowerFor(build, 0), lowerFor(build, 1), lengths);

const inputX = (rows: number): Value => input('x', 'float32', [rows, 6]);
const inputY = (rows: number): Value => input('y', 'float32', [rows, 6]);

/** Programs that reshape x [rows, 6] and y [more, 6]. */
const programs: Readonly<Record<string, Build>> = {
  'one dynamic size': (rows) => graphOf({ z: reshape(inputX(rows), [1, rows, 2, 3]) }),
  'a length times a size': (rows) => {
    const pairs = mul(reshape(inputX(rows), [rows, 2, 3]), 2);
    return graphOf({ z: sum(mul(reshape(pairs, [rows * 2, 3]), 3), [0]) });
  },
  'inserted axes of size 1': (rows, more) => {
    const product = matmul(inputX(rows), inputY(more), { transB: true });
    return graphOf({ z: reshape(product, [1, rows, 1, more]) });
  },
  'removed axes of size 1': (rows, more) => {
    const product = matmul(inputX(rows), inputY(more), { transB: true });
    return graphOf({ z: reshape(mul(reshape(product, [rows, 1, more]), 2), [rows, more]) });
  },
  concatenated: (rows, more) => {
    const z = concat([inputX(rows), inputY(more)], 0);
    return graphOf({ z: transpose(add(z, constant([1, 2, 3, 4, 5, 6])), [1, 0]), total: sum(z, [0]) });
  },
};

const createSession = (model: Uint8Array): Promise<ort.InferenceSession> =>
  ort.InferenceSession.create(model, { logSeverityLevel: 3 });

const feedsFor = ({ inputs }: Graph): Record<string, ort.Tensor> =>
  Object.fromEntries(
    inputs.map(({ name, shape }) => {
      const data = Float32Array.from({ length: shape[0]! * 6 }, (_, i) => Math.fround(Math.cos(i + 1)));
      return [name!, new ort.Tensor('float32', data, [...shape])];
    }),
  );

describe.each(Object.entries(programs))('a program with %s', (_, build) => {
  it('computes the same as programs of fixed lengths', async () => {
    const { graph, shapes } = addAxesTo(build);
    const dynamic = await createSession(encodeOnnxModel(graph, { dynamicShapes: shapes }));
    for (const [rows, more] of [
      [1, 1],
      [3, 1],
      [5, 7],
    ] as const) {
      const fixed = build(rows, more);
      const feeds = feedsFor(fixed);
      const expected = await (await createSession(encodeOnnxModel(fixed))).run(feeds);
      const results = await dynamic.run(feeds);
      for (const [name, tensor] of Object.entries(expected)) {
        expect(results[name]!.dims, name).toEqual(tensor.dims);
        expect(results[name]!.data).toEqual(tensor.data);
      }
    }
  });
});

describe('addDynamicAxes', () => {
  it('names the dynamic sizes of inputs and outputs', () => {
    expect(addAxesTo(programs['concatenated']!).shapes).toEqual({
      x: ['rows', 6],
      y: ['more', 6],
      z: [6, 'rows + more'],
      total: [6],
    });
  });

  it.each<readonly [string, Build]>([
    ['a slice that ends at a length', (rows) => graphOf({ z: slice(inputX(rows), 0, 1, rows) })],
    [
      'a constant whose size is a length',
      (rows) => {
        const ones = constant(Array<number>(rows * 6).fill(1), 'float32', [rows, 6]);
        return graphOf({ z: add(inputX(rows), ones) });
      },
    ],
    [
      'two sizes that do not follow from the input',
      (rows, more) => {
        const product = matmul(inputX(rows * 2), inputY(more * 3), { transB: true });
        return graphOf({ z: mul(reshape(product, [2, rows, more, 3]), 2) });
      },
    ],
    ['a size without a name', (rows) => graphOf({ z: concat([inputX(rows), inputX(rows)], 0) })],
  ])('rejects %s', async (_, build) => {
    await expectAppError('graph/invalid', () => addAxesTo(build));
  });
});
