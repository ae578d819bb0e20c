/**
 * @file Runs a graph once on ONNX Runtime's CPU provider through the official binding: independent of our own
 * engine.
 */
import * as ort from 'onnxruntime-node';
import type { Graph } from '../../src-main/graph/ops/build.ts';
import { onnxModel } from '../../src-main/graph/onnx.ts';
import { simplify } from '../../src-main/graph/passes/simplify.ts';

export type Fed = Float32Array | Int32Array;

/** A function from named inputs (shapes are the graph's own) to named float32 outputs. */
export async function runner(
  graph: Graph,
): Promise<(feeds: Readonly<Record<string, Fed>>) => Promise<Record<string, Float32Array>>> {
  const session = await ort.InferenceSession.create(onnxModel(simplify(graph)), { logSeverityLevel: 3 });
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
