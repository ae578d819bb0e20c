/**
 * @file Writes the logits of checkpoints on a text into a folder, so that another program can compute them too
 * (resources/python/compare_logits.py).
 */
import { join } from 'node:path';
import { AppError, refuse } from '../../base/errors.ts';
import { deriveKey, integerAt } from '../../base/random.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import type { CertificateText, WrittenLogits } from '../../contract/schema.ts';
import { openCheckpoint, type Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { copyCheckpoint } from '../../store/checkpoint/copy-checkpoint.ts';
import { createSafetensorsWriter } from '../../store/checkpoint/safetensors.ts';
import { writeFolder } from '../../store/fs/folder.ts';
import { chooseDevice } from '../device/choose.ts';
import { openTextFiles, type ComparedText } from '../grow/compared-text.ts';
import type { LogitsInput } from '../inputs.ts';
import { openLogitsReader } from '../model/programs.ts';
import { checkpointWeights, loadModel } from '../model/weights.ts';
import type { Device } from '../ort/device.ts';
import { openPlainText } from './check-job.ts';
import { getMaxContextLength } from './generate.ts';

/** Tokens of a file that are read, the most that may be asked for, and the most of a window. All logits are written. */
const maxTokens = 512;
const maxFileTokens = 8192;
const maxContext = 128;

/**
 * Creates the folder `out` with `logits-I.safetensors` for each model: `tokens` [windows, length] and `logits`
 * [windows, length, vocab]. All models read the tokens of the first. With `rewrite`, the models are also written
 * again, to `model-I`. Throws `cancelled`, and what opening models and texts throws.
 */
export async function writeLogits(
  { models, text: files, rewrite, out, device: choice }: LogitsInput,
  signal: AbortSignalLike,
): Promise<WrittenLogits> {
  const checkpoints = await Promise.all(models.map(openCheckpoint));
  checkVocabularies(checkpoints);
  const text = await openText(checkpoints, files, signal);
  const { windows, contextLength, description } = text;
  try {
    await writeFolder(out, async (folder) => {
      const device = await chooseDevice(choice);
      try {
        for (const [i, checkpoint] of checkpoints.entries()) {
          await writeModelLogits(device, checkpoint, text, join(folder, logitsFile(i)), signal);
          if (rewrite) await copyCheckpoint(checkpoint, join(folder, modelFolder(i)));
        }
      } finally {
        await device.dispose();
      }
    });
  } finally {
    text.close();
  }
  return {
    text: description,
    tokens: windows * contextLength,
    files: models.map((dir, i) => ({
      model: rewrite ? join(out, modelFolder(i)) : dir,
      logits: join(out, logitsFile(i)),
    })),
  };
}

const logitsFile = (index: number): string => `logits-${index}.safetensors`;
const modelFolder = (index: number): string => `model-${index}`;

async function writeModelLogits(
  device: Device,
  checkpoint: Checkpoint,
  { windows, contextLength, read }: ComparedText,
  path: string,
  signal: AbortSignalLike,
): Promise<void> {
  const vocab = checkpoint.dims['vocab']!;
  const shape = [windows, contextLength];
  const loaded = await loadModel(device, checkpoint, checkpointWeights(checkpoint));
  try {
    const reader = await openLogitsReader(device, loaded, 1, contextLength);
    const writer = await createSafetensorsWriter(path, [
      { name: 'logits', dtype: 'float32', shape: [...shape, vocab] },
      { name: 'tokens', dtype: 'int32', shape },
    ]);
    try {
      const inputs = Array.from({ length: windows }, (_, i) => read(i).slice(0, contextLength));
      for (const input of inputs) {
        if (signal.aborted) refuse('cancelled', { what: 'Comparing' });
        await writer.write('logits', toBytes(await reader.run(input)));
      }
      for (const input of inputs) await writer.write('tokens', toBytes(input));
      await writer.finish();
    } catch (error) {
      await writer.abort();
      throw error;
    } finally {
      await reader.dispose();
    }
  } finally {
    loaded.dispose();
  }
}

const toBytes = ({ buffer, byteOffset, byteLength }: Float32Array | Int32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Refuses a model that lacks tokens of the first. */
function checkVocabularies([first, ...others]: readonly Checkpoint[]): void {
  const vocab = first!.dims['vocab']!;
  for (const { dims } of others)
    if (dims['vocab']! < vocab)
      refuse('checkpoint/unsupported', {
        what: `comparing a vocabulary of ${vocab} with the smaller one of ${dims['vocab']!}`,
        why: 'tokens of the first have no logits in the second',
      });
}

/** Windows of files, of the built-in text, or of random tokens if the first model has no tokenizer for that. */
async function openText(
  checkpoints: readonly Checkpoint[],
  files: CertificateText | undefined,
  signal: AbortSignalLike,
): Promise<ComparedText> {
  const checkpoint = checkpoints[0]!;
  const length = Math.min(...checkpoints.map((model) => getMaxContextLength({ model })), maxContext);
  if (files) {
    const tokens = Math.min(files.tokens ?? maxTokens, maxFileTokens);
    return openTextFiles(checkpoint, { contextLength: length, ...files, tokens }, signal);
  }
  try {
    return await openPlainText(checkpoint, length);
  } catch (error) {
    if (!(error instanceof AppError && error.code.startsWith('checkpoint/'))) throw error;
    return createRandomText(checkpoint, length);
  }
}

function createRandomText({ dims }: Checkpoint, contextLength: number): ComparedText {
  const key = deriveKey(0, 'logits');
  return {
    description: 'random ones, because no tokenizer can be used',
    contextLength,
    windows: 2,
    read: (index) =>
      Int32Array.from({ length: contextLength + 1 }, (_, t) =>
        integerAt(key, index * contextLength + t, dims['vocab']!),
      ),
    close: () => undefined,
  };
}
