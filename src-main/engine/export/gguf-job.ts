/**
 * @file Exports a checkpoint, or the weights of a run, as a GGUF file for llama.cpp. Weights are read, converted and
 * written one at a time; the file is read back and compared before the folder gets its final name.
 */
import { basename } from 'node:path';
import { AppError, refuse } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import type { ExportEvent } from '../../contract/schema.ts';
import { ggufArchitectureOf } from '../../model/families/gguf-architectures.ts';
import { ggufWindowOf } from '../../model/gguf/attention-window.ts';
import { ggufMetadataOf, ggufNotesOf } from '../../model/gguf/metadata.ts';
import { findGgufProblem } from '../../model/gguf/support.ts';
import { ggufTensorsOf, toGgufOrder, type GgufTensor } from '../../model/gguf/tensors.ts';
import { string, type GgufEntries, type GgufType } from '../../model/gguf/values.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { createGgufWriter, type GgufWriter } from '../../store/checkpoint/gguf-writer.ts';
import { formatModelCard, type ModelCard } from '../../store/checkpoint/model-card.ts';
import { readGgufVocabulary, type GgufVocabulary } from '../../store/data/gguf-vocabulary.ts';
import type { ExportInput } from '../inputs.ts';
import { createGgufCard } from '../model-card/gguf-card.ts';
import { retypeCheckpoint, type WeightSource } from '../model/weights.ts';
import { checkGguf } from './gguf-check.ts';
import { openOrigin } from './origin.ts';

/** The type of the weights if the request names none. */
const defaultType: GgufType = 'f16';

/**
 * Writes the folder `out`: model-TYPE.gguf, the license and a model card. Throws `gguf/unsupported`,
 * `gguf/tokenizer`, `export/differs`, `cancelled`; leaves nothing behind then.
 */
export async function* exportGguf(input: ExportInput, signal: AbortSignalLike): AsyncGenerator<ExportEvent> {
  const { out, ggufType: type = defaultType } = input;
  const checkCancelled = (): void => {
    if (signal.aborted) refuse('cancelled', { what: 'The export' });
  };
  const origin = await openOrigin(input);
  // llama.cpp multiplies embeddings by a number in float32, whatever the type of the weights.
  const { checkpoint, weights } = retypeCheckpoint(origin.checkpoint, 'float32', origin.source);
  const why = findGgufProblem(checkpoint);
  if (why !== undefined) refuse('gguf/unsupported', { why, hasConverter: checkpoint.family.gguf === true });
  const architecture = ggufArchitectureOf(checkpoint.family)!;
  const { contextLength } = ggufWindowOf(checkpoint, architecture)!;
  const vocabulary = await readVocabulary(checkpoint);
  const notes = [...ggufNotesOf(checkpoint, architecture), ...vocabulary.notes];
  const tensors = ggufTensorsOf(checkpoint, architecture, type);
  const entries = [
    ...ggufMetadataOf(checkpoint, architecture, type),
    ...describeModel(basename(out), origin.cardFiles.card),
    ...vocabulary.entries,
  ];
  const fileName = `model-${type}.gguf`;
  const writer = await createGgufWriter({
    target: out,
    fileName,
    entries,
    tensors,
    licenseFrom: checkpoint.dir,
  });
  let isCommitted = false;
  try {
    for (const [i, tensor] of tensors.entries()) {
      checkCancelled();
      await writeTensor(writer, tensor, weights);
      yield { type: 'tensor', name: tensor.name, tensors: i + 1, ofTensors: tensors.length };
    }
    const card = createGgufCard(origin.cardFiles.card, { name: fileName, type, contextLength, notes });
    await writer.finish({ 'README.md': formatModelCard(card, basename(out)), ...origin.cardFiles.files });
    checkCancelled();
    yield { type: 'comparing' };
    const { path, bytes } = writer;
    const maxLogit = await checkGguf({
      ...{ path, checkpoint, weights, entries, tensors, type, contextLength, out, checkCancelled },
    });
    checkCancelled();
    const files = await writer.commit();
    isCommitted = true;
    yield { type: 'done', dir: out, files, bytes, maxLogit, device: 'cpu', notes };
  } catch (error) {
    throw writer.withFinalPath(error);
  } finally {
    if (!isCommitted) await writer.abort();
  }
}

async function writeTensor(writer: GgufWriter, tensor: GgufTensor, weights: WeightSource): Promise<void> {
  const { source } = tensor;
  if ('values' in source) return writer.write(tensor, source.values);
  for (const part of source.parts)
    await writer.write(tensor, toGgufOrder(part, await weights(part.parameter)));
}

/** The tokenizer of a checkpoint; without one, llama.cpp reads and writes token numbers. */
async function readVocabulary({ dir, dims }: Checkpoint): Promise<GgufVocabulary> {
  try {
    return await readGgufVocabulary(dir, dims['vocab']!);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'checkpoint/no-tokenizer') throw error;
    return {
      entries: [['tokenizer.ggml.model', string('no_vocab')]],
      notes: ['the checkpoint has no tokenizer, so llama.cpp reads token numbers only'],
    };
  }
}

const describeModel = (name: string, { license }: ModelCard): GgufEntries => [
  ['general.name', string(name)],
  ...(license ? [['general.license', string(license.ids.join(', '))] as const] : []),
];
