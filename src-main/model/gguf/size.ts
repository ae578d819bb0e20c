/** @file The size of a GGUF file before it is written. */
import type { GgufModel } from './architecture.ts';
import { ggufArchitectureOf } from '../families/gguf-architectures.ts';
import { findGgufProblem } from './support.ts';
import { countTensorBytes, ggufTensorsOf } from './tensors.ts';
import type { GgufType } from './values.ts';

/** Bytes of the tokenizer per token, about: its text, its type, its score, and a merge. */
const bytesPerToken = 40;

/** Bytes of the file, about; undefined if there is none of this model. */
export function estimateGgufBytes(model: GgufModel, type: GgufType): number | undefined {
  if (findGgufProblem(model) !== undefined) return undefined;
  const tensors = ggufTensorsOf(model, ggufArchitectureOf(model.family)!, type);
  return tensors.reduce(
    (sum, tensor) => sum + countTensorBytes(tensor),
    model.dims['vocab']! * bytesPerToken,
  );
}
