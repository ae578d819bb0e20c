/** @file Values that are built from several operators. */
import { describe, expect, it } from 'vitest';
import { cast, graphOf, input, isFinite } from '../../../src-main/graph/ops/build.ts';
import { evaluate, tensor } from '../../support/evaluate.ts';
import { runOnnx } from '../run-onnx.ts';

describe('isFinite', () => {
  it('is false for NaN and infinities, in ONNX Runtime and in float64', async () => {
    const x = input('x', 'float32', [2, 3]);
    const feeds = { x: tensor([2, 3], [1, -3e38, NaN, Infinity, -Infinity, 0]) };
    const graph = graphOf({ y: cast(isFinite(x), 'float32') });
    expect([...(await runOnnx(graph, feeds)).y!.data]).toEqual([1, 1, 0, 0, 0, 1]);
    expect([...evaluate([graph.outputs.y!], feeds)[0]!.data]).toEqual([1, 1, 0, 0, 0, 1]);
  });
});
