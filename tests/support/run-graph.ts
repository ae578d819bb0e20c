/**
 * @file Runs graphs on ONNX Runtime's CPU provider through the official binding, onnxruntime-node, so that
 * tests of graphs do not depend on the engine.
 */
import * as ort from 'onnxruntime-node';
import type { Graph } from '../../src-main/graph/ops/build.ts';
import { encodeOnnxModel } from '../../src-main/graph/onnx.ts';
import { simplify } from '../../src-main/graph/passes/simplify.ts';

export type Feed = Float32Array | Int32Array;

/** Opens a session and returns a function from inputs by name to float32 outputs by name. */
export async function createGraphRunner(
  graph: Graph,
): Promise<(feeds: Readonly<Record<string, Feed>>) => Promise<Record<string, Float32Array>>> {
  const session = await ort.InferenceSession.create(encodeOnnxModel(simplify(graph)), {
    logSeverityLevel: 3,
  });
  const types = new Map(graph.inputs.map((v) => [v.name!, v]));
  return async (feeds) => {
    const tensors = Object.fromEntries(
      Object.entries(feeds).map(([name, data]) => [
        name,
        new ort.Tensor(types.get(name)!.dtype as 'float32', data as Float32Array, [
          ...types.get(name)!.shape,
        ]),
      ]),
    );
    const results = await session.run(tensors);
    return Object.fromEntries(Object.entries(results).map(([name, t]) => [name, t.data as Float32Array]));
  };
}
