/** @file Kernels of the CPU provider that the capability table works around. */
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { expect, it } from 'vitest';
import { encodeOnnxModel } from '../../src-main/graph/onnx.ts';
import { graphOf, input, scatterAddRows } from '../../src-main/graph/ops/build.ts';

it('loses no update if thousands are added to the same row on several threads', async () => {
  const into = input('into', 'float32', [4, 64]);
  const rows = input('rows', 'int64', [4096]);
  const updates = input('updates', 'float32', [4096, 64]);
  const session = await InferenceSession.create(
    encodeOnnxModel(graphOf({ y: scatterAddRows(into, rows, updates) })),
    { intraOpNumThreads: 4 },
  );
  const indices = BigInt64Array.from({ length: 4096 }, (_, i) => BigInt(i % 3));
  const feeds = {
    into: new OrtTensor('float32', new Float32Array(256), [4, 64]),
    rows: new OrtTensor('int64', indices, [4096]),
    updates: new OrtTensor('float32', new Float32Array(4096 * 64).fill(1), [4096, 64]),
  };
  for (let run = 0; run < 20; run++) {
    const sums = (await session.run(feeds)).y!.data as Float32Array;
    const valuesOfRow = (row: number): number[] => [...new Set(sums.subarray(row * 64, row * 64 + 64))];
    expect([0, 1, 2, 3].map(valuesOfRow)).toEqual([[1366], [1365], [1365], [0]]);
  }
});
