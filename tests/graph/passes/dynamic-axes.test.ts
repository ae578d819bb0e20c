/**
 * @file Programs of open lengths: one file computes what each program of fixed lengths does, and what cannot
 * be left open is refused.
 */
import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
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
} from '../../../src-main/graph/ops/build.ts';
import { addDynamicAxes } from '../../../src-main/graph/passes/dynamic-axes.ts';
import { lowerGraph, encodeOnnxModel } from '../../../src-main/graph/onnx.ts';
import { simplify } from '../../../src-main/graph/passes/simplify.ts';
import { expectAppError } from '../../support/expect-app-error.ts';

const lengths = { rows: [101, 103], more: [211, 223], 'rows + more': [312, 326] } as const;
type Build = (rows: number, more: number) => Graph;
const both = (build: Build): readonly [Graph, Graph] =>
  [0, 1].map((i) => lowerGraph(simplify(build(lengths.rows[i]!, lengths.more[i]!)), 'cpu')) as [Graph, Graph];

/** x [rows, 6] and y [more, 6] in ways that reshape them. */
const programs: Readonly<Record<string, Build>> = {
  'one size follows': (rows) => graphOf({ z: reshape(input('x', 'float32', [rows, 6]), [1, rows, 2, 3]) }),
  'a length times a size': (rows) =>
    graphOf({
      z: sum(
        mul(reshape(mul(reshape(input('x', 'float32', [rows, 6]), [rows, 2, 3]), 2), [rows * 2, 3]), 3),
        [0],
      ),
    }),
  'axes of one put in': (rows, more) => {
    const x = input('x', 'float32', [rows, 6]);
    const y = input('y', 'float32', [more, 6]);
    return graphOf({ z: reshape(matmul(x, y, { transB: true }), [1, rows, 1, more]) });
  },
  'axes of one taken out': (rows, more) => {
    const x = input('x', 'float32', [rows, 6]);
    const y = input('y', 'float32', [more, 6]);
    return graphOf({
      z: reshape(mul(reshape(matmul(x, y, { transB: true }), [rows, 1, more]), 2), [rows, more]),
    });
  },
  joined: (rows, more) => {
    const z = concat([input('x', 'float32', [rows, 6]), input('y', 'float32', [more, 6])], 0);
    return graphOf({ z: transpose(add(z, constant([1, 2, 3, 4, 5, 6])), [1, 0]), total: sum(z, [0]) });
  },
};

describe.each(Object.entries(programs))('%s', (_, build) => {
  it('computes the same for other lengths', async () => {
    const { graph, shapes: dims } = addDynamicAxes(...both(build), lengths);
    const open = await ort.InferenceSession.create(encodeOnnxModel(graph, { dynamicShapes: dims }), {
      logSeverityLevel: 3,
    });
    for (const [rows, more] of [
      [1, 1],
      [3, 1],
      [5, 7],
    ] as const) {
      const fixed = build(rows, more);
      const feeds = Object.fromEntries(
        fixed.inputs.map((v) => [
          v.name!,
          new ort.Tensor(
            'float32',
            Float32Array.from({ length: v.shape[0]! * 6 }, (__, i) => Math.fround(Math.cos(i + 1))),
            [...v.shape],
          ),
        ]),
      );
      const expected = await (
        await ort.InferenceSession.create(encodeOnnxModel(fixed), { logSeverityLevel: 3 })
      ).run(feeds);
      const found = await open.run(feeds);
      for (const [name, tensor] of Object.entries(expected)) {
        expect(found[name]!.dims, name).toEqual(tensor.dims);
        expect(found[name]!.data).toEqual(tensor.data);
      }
    }
  });
});

it('names the sizes that are open', () => {
  expect(addDynamicAxes(...both(programs['joined']!), lengths).shapes).toEqual({
    x: ['rows', 6],
    y: ['more', 6],
    z: [6, 'rows + more'],
    total: [6],
  });
});

it.each<readonly [string, Build]>([
  ['a cut at a length', (rows) => graphOf({ z: slice(input('x', 'float32', [rows, 6]), 0, 1, rows) })],
  [
    'a table as long as the text',
    (rows) =>
      graphOf({
        z: add(
          input('x', 'float32', [rows, 6]),
          constant(Array<number>(rows * 6).fill(1), 'float32', [rows, 6]),
        ),
      }),
  ],
  [
    'two sizes that follow from nothing',
    (rows, more) =>
      graphOf({
        z: mul(
          reshape(
            matmul(input('x', 'float32', [rows * 2, 6]), input('y', 'float32', [more * 3, 6]), {
              transB: true,
            }),
            [2, rows, more, 3],
          ),
          2,
        ),
      }),
  ],
  [
    'a size without a name',
    (rows) => graphOf({ z: concat([input('x', 'float32', [rows, 6]), input('x', 'float32', [rows, 6])], 0) }),
  ],
])('%s is refused', async (_, build) => {
  await expectAppError('graph/invalid', () => {
    addDynamicAxes(...both(build), lengths);
  });
});
