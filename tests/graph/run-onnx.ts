/** @file Runs a graph on the CPU with ONNX Runtime's official binding. */
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import type { Graph } from '../../src-main/graph/graph.ts';
import { encodeOnnxModel, type OnnxOptions } from '../../src-main/graph/onnx.ts';
import { downcast, type DType } from '../../src-main/tensor/dtype.ts';
import type { Tensor } from '../support/evaluate.ts';

/** The outputs by name. Feeds are converted from float64 to the types of the inputs. */
export async function runOnnx(
  graph: Graph,
  feeds: Readonly<Record<string, Tensor>>,
  options?: OnnxOptions,
): Promise<Record<string, Tensor>> {
  const session = await InferenceSession.create(encodeOnnxModel(graph, options), {
    logSeverityLevel: 3,
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  const inputs = Object.fromEntries(
    session.inputNames.map((name) => {
      const { dtype } = graph.inputs.find((v) => v.name === name)!;
      const { shape, data } = feeds[name]!;
      return [name, toOrtTensor(dtype, shape, data)];
    }),
  );
  const results = await session.run(inputs);
  await session.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, t]) => [
      name,
      { shape: t.dims, data: Float64Array.from(t.data as Float32Array, Number) },
    ]),
  );
}

function toOrtTensor(dtype: DType, shape: readonly number[], data: Float64Array): OrtTensor {
  switch (dtype) {
    case 'float32':
      return new OrtTensor('float32', Float32Array.from(data), shape);
    case 'float64':
      return new OrtTensor('float64', data, shape);
    case 'int32':
      return new OrtTensor('int32', Int32Array.from(data), shape);
    case 'int64':
      return new OrtTensor('int64', BigInt64Array.from([...data].map(BigInt)), shape);
    case 'bool':
      return new OrtTensor('bool', Uint8Array.from(data), shape);
    case 'float16':
      return new OrtTensor(
        'float16',
        new Uint16Array(downcast(Float32Array.from(data), 'float16').buffer),
        shape,
      );
    case 'bfloat16':
      throw new Error('the official binding has no bfloat16');
  }
}
