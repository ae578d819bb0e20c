/**
 * @file The two programs of a comparison: the source's logits, and their comparison with those of the grown
 * model. The output head runs over parts of the rows, so that the logits of a part are a small tensor.
 */
import { concat, graphOf, input, reshape, slice, type Graph, type Value } from '../../graph/ops/build.ts';
import { compareLogits } from '../../growth/compare-logits.ts';
import { createModelBuilder } from '../../model/model-builder.ts';
import type { BatchShape } from '../../train/program-shape.ts';
import { weightValues, type BucketModel } from '../../train/step.ts';

/** Most bytes of the float32 logits of one part. */
const partBytes = 2 ** 25;

/** Rows of each part of logits [rows, vocab]. */
export function splitRows(rows: number, vocab: number): readonly number[] {
  const most = Math.max(1, Math.floor(partBytes / (4 * vocab)));
  const count = Math.ceil(rows / most);
  const bound = (i: number): number => Math.floor((i * rows) / count);
  return Array.from({ length: count }, (_, i) => bound(i + 1) - bound(i));
}

/** Name of the output and of the input with the source's logits of a part. */
export const sourceLogitsName = (part: number): string => `source/${part}`;

/** `tokens` [batch, seq + 1]: the inputs, and the token that follows the last one. */
const tokensInput = ({ microBatch, contextLength }: BatchShape): Value =>
  input('tokens', 'int32', [microBatch, contextLength + 1]);

/** Logits [rows of the part, vocab] of each part. */
function logitsOfParts(
  model: BucketModel,
  tokens: Value,
  { microBatch, contextLength }: BatchShape,
  parts: readonly number[],
): readonly Value[] {
  const { family, dims, settings } = model;
  const builder = createModelBuilder(family, dims, settings, weightValues(model));
  const { value, axes } = family.forward(builder, slice(tokens, 1, 0, contextLength));
  const rows = reshape(value, [1, microBatch * contextLength, value.shape.at(-1)!]);
  let from = 0;
  return parts.map((length) => {
    const part = slice(rows, 1, from, from + length);
    from += length;
    return reshape(builder.head({ value: part, axes }).value, [length, dims['vocab']!]);
  });
}

/** tokens → the logits of each part, in `sourceLogitsName(part)`. */
export function sourceLogitsProgram(model: BucketModel, shape: BatchShape, parts: readonly number[]): Graph {
  const logits = logitsOfParts(model, tokensInput(shape), shape, parts);
  return graphOf(Object.fromEntries(logits.map((value, i) => [sourceLogitsName(i), value])));
}

/** tokens and the source's logits → `statistics` [batch × seq, statisticCount] of compare-logits.ts. */
export function comparisonProgram(
  model: BucketModel,
  sourceVocab: number,
  shape: BatchShape,
  parts: readonly number[],
): Graph {
  const tokens = tokensInput(shape);
  const next = reshape(slice(tokens, 1, 1, shape.contextLength + 1), [-1]);
  let from = 0;
  const compared = logitsOfParts(model, tokens, shape, parts).map((grown, i) => {
    const rows = grown.shape[0]!;
    const source = input(sourceLogitsName(i), 'float32', [rows, sourceVocab]);
    const targets = slice(next, 0, from, from + rows);
    from += rows;
    return compareLogits(source, grown, targets);
  });
  return graphOf({ statistics: compared.length === 1 ? compared[0]! : concat(compared, 0) });
}
