/** @file The logits of a checkpoint folder on one sequence, computed in float64 without ONNX Runtime. */
import { constant, input, reshape, type Value } from '../../src-main/graph/ops/build.ts';
import { createModelBuilder } from '../../src-main/model/model-builder.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { readTensor, type Checkpoint } from '../../src-main/store/checkpoint/checkpoint.ts';
import { upcast } from '../../src-main/tensor/dtype.ts';
import { evaluate, type Tensor } from './evaluate.ts';

/** Logits [tokens, vocab] of a checkpoint. */
export async function checkpointLogits(
  checkpoint: Checkpoint,
  ids: readonly number[],
): Promise<Float64Array> {
  const { family, dims, settings, tensors } = checkpoint;
  const parameters = parametersOf(family, dims, settings);
  const inputs = new Map<string, Value>(parameters.map((p) => [p.name, input(p.name, 'float32', p.shape)]));
  const feeds: Record<string, Tensor> = {};
  for (const { name, shape } of parameters) {
    const values = upcast(await readTensor(checkpoint, name), tensors.get(name)!.dtype);
    feeds[name] = { shape, data: Float64Array.from(values) };
  }
  const m = createModelBuilder(family, dims, settings, inputs);
  const tokens = constant([...ids], 'int32', [1, ids.length]);
  const logits = reshape(m.head(family.forward(m, tokens)).value, [-1, dims['vocab']!]);
  return evaluate([logits], feeds)[0]!.data;
}
