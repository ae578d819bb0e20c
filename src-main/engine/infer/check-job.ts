/** @file Checks whether a checkpoint was read rightly: whether its loss on a text is that of a trained model. */
import { refuse } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import type { CheckResult } from '../../contract/schema.ts';
import { createReadingMeter, judgeReading } from '../../model/reading-check.ts';
import { openCheckpoint, type Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { openTokenizer } from '../../store/data/tokenizer.ts';
import { chooseDevice } from '../device/choose.ts';
import { openTextFiles, type ComparedText } from '../grow/compared-text.ts';
import type { CheckInput } from '../inputs.ts';
import { openLogitsReader } from '../model/programs.ts';
import { checkpointWeights, loadModel } from '../model/weights.ts';
import { getMaxContextLength } from './generate.ts';
import { plainText } from './plain-text.ts';

/** Tokens of a file that are read, and the most of a window. */
const maxTokens = 4096;
const fileContext = 512;
const builtInContext = 128;

/** Measures a checkpoint on a text file, or on a built-in text. Throws `checkpoint/no-tokenizer`, `cancelled`. */
export async function checkReading(
  { dir, text: file, device: choice }: CheckInput,
  signal: AbortSignalLike,
): Promise<CheckResult> {
  const checkpoint = await openCheckpoint(dir);
  const text = await openText(checkpoint, file, signal);
  try {
    const device = await chooseDevice(choice);
    try {
      const loaded = await loadModel(device, checkpoint, checkpointWeights(checkpoint));
      try {
        const { contextLength, windows, description } = text;
        const meter = createReadingMeter(checkpoint.dims['vocab']!);
        const reader = await openLogitsReader(device, loaded, 1, contextLength);
        try {
          for (let i = 0; i < windows; i++) {
            if (signal.aborted) refuse('cancelled', { what: 'The check' });
            const window = text.read(i);
            meter.add(await reader.run(window.slice(0, -1)), window.subarray(1));
          }
        } finally {
          await reader.dispose();
        }
        const measures = meter.result();
        return {
          ...judgeReading(measures),
          ...measures,
          text: description,
          contextLength,
          device: device.kind,
        };
      } finally {
        loaded.dispose();
      }
    } finally {
      await device.dispose();
    }
  } finally {
    text.close();
  }
}

/** Windows of a file, or of the built-in text. */
async function openText(
  checkpoint: Checkpoint,
  file: string | undefined,
  signal: AbortSignalLike,
): Promise<ComparedText> {
  const maxLength = getMaxContextLength({ model: checkpoint });
  if (file !== undefined) {
    const contextLength = Math.min(maxLength, fileContext);
    return openTextFiles(checkpoint, { data: [file], tokens: maxTokens, contextLength }, signal);
  }
  return openPlainText(checkpoint, Math.min(maxLength, builtInContext));
}

/** The built-in text in windows that overlap by one token. */
export async function openPlainText(checkpoint: Checkpoint, length: number): Promise<ComparedText> {
  const tokenizer = await openTokenizer(checkpoint.dir, checkpoint.dims['vocab']!);
  const tokens = Int32Array.from(await tokenizer.encode(plainText));
  const contextLength = Math.min(length, tokens.length - 1);
  return {
    description: 'built-in English text',
    contextLength,
    windows: Math.floor((tokens.length - 1) / contextLength),
    read: (index) => tokens.slice(index * contextLength, (index + 1) * contextLength + 1),
    close: () => undefined,
  };
}
