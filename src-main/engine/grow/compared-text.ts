/** @file The text on which two models are compared: windows of tokens from files, or the built-in text. */
import { basename } from 'node:path';
import { AppError, refuse } from '../../base/errors.ts';
import { formatInteger } from '../../base/format.ts';
import { deriveKey, integerAt } from '../../base/random.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import type { CertificateText } from '../../contract/schema.ts';
import { windowsIn } from '../../train/batches.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { openTokens, tokenizeFiles } from '../../store/data/tokenize.ts';
import { openTokenizer } from '../../store/data/tokenizer.ts';
import { createLinkedController } from '../../store/fs/signals.ts';
import { openHome } from '../../store/home/home.ts';
import { continueTexts, getMaxContextLength } from '../infer/generate.ts';
import type { LoadedModel } from '../model/weights.ts';
import { getMaxPositions } from '../../model/positions.ts';
import type { Device } from '../ort/device.ts';
import { builtInTexts } from './built-in-text.ts';

/** A text of `windows` windows, each of `contextLength` tokens and the token that follows them. */
export interface ComparedText {
  readonly description: string;
  readonly contextLength: number;
  readonly windows: number;
  /** Window `index`, [contextLength + 1]. */
  read(index: number): Int32Array;
  close(): void;
}

/** Defaults of a `CertificateText`. The context is not longer than that of the source. */
const defaultTokens = 1_000_000;
const defaultContextLength = 1024;

/**
 * Opens a text of files, in the windows of `cambium evaluate`. `onProgress` is called with the bytes that are
 * tokenized, and with their sum. Throws `run/bad-setting` if the context is longer than that of the source,
 * `data/empty`, `cancelled`.
 */
export async function openTextFiles(
  source: Checkpoint,
  { data, field, tokens: maxTokens = defaultTokens, contextLength }: CertificateText,
  signal: AbortSignalLike,
  onProgress: (done: number, of: number) => void = () => undefined,
): Promise<ComparedText> {
  const positions = getMaxPositions(source);
  if (contextLength !== undefined && contextLength > positions)
    refuse('run/bad-setting', {
      setting: 'context length',
      why: `is ${contextLength}, but the model has ${positions} positions`,
    });
  const set = await tokenizeFiles({
    data,
    field,
    tokenizerDir: source.dir,
    vocabSize: source.dims['vocab']!,
    cacheDir: await openHome().createCacheDir('tokens'),
    onProgress,
    signal: createLinkedController(signal).signal,
  });
  const tokens = await openTokens(set.folders);
  if (tokens.length < 2) {
    tokens.close();
    refuse('data/empty', { path: data.join(', '), tokens: tokens.length, needed: 2 });
  }
  const wanted = contextLength ?? Math.min(getMaxContextLength({ model: source }), defaultContextLength);
  const length = Math.min(wanted, tokens.length - 1);
  const windows = Math.min(windowsIn(tokens.length, length), Math.max(1, Math.floor(maxTokens / length)));
  const names = data.map((path) => basename(path)).join(', ');
  const isPart = windows < windowsIn(tokens.length, length);
  return {
    description: isPart ? `${names}, the beginning of ${formatInteger(tokens.length)} tokens` : names,
    contextLength: length,
    windows,
    read: (index) => tokens.read(index * length, length + 1),
    close: () => {
      tokens.close();
    },
  };
}

/** Tokens of a window of the built-in text, and how many of them the source adds at the end. */
const builtInLength = 128;
const sampledLength = 16;

/**
 * The built-in text, continued by the source in one batch: a text that the source expects ends with tokens that
 * it has chosen. The same on every machine with the same logits.
 */
export async function openBuiltInText(
  device: Device,
  source: Checkpoint,
  loaded: LoadedModel,
  signal: AbortSignalLike,
): Promise<ComparedText> {
  const contextLength = Math.min(getMaxContextLength(loaded), builtInLength);
  const sampled = Math.min(sampledLength, Math.ceil(contextLength / 2));
  const promptLength = contextLength + 1 - sampled;
  const { prompts, origin } = await createPrompts(source, promptLength);
  const options = { temperature: 1, seed: 0 };
  const continued = await continueTexts(device, loaded, prompts, sampled, options, signal);
  const windows = prompts.map((prompt, i) => Int32Array.from([...prompt, ...continued[i]!]));
  const counts = [prompts.length * promptLength, prompts.length * sampled].map(formatInteger);
  return {
    description: `${counts[0]!} tokens of ${origin}, continued by ${counts[1]!} that the source samples`,
    contextLength,
    windows: windows.length,
    read: (index) => windows[index]!,
    close: () => undefined,
  };
}

interface Prompts {
  readonly prompts: readonly (readonly number[])[];
  /** What they are. */
  readonly origin: string;
}

/** Prompts of `length` tokens: the built-in texts, or random tokens if the source has no tokenizer for them. */
async function createPrompts({ dir, dims }: Checkpoint, length: number): Promise<Prompts> {
  const vocab = dims['vocab']!;
  try {
    const tokenizer = await openTokenizer(dir, vocab);
    const encoded = await Promise.all(builtInTexts.map((text) => tokenizer.encode(text)));
    const prompts = encoded.map((tokens) => repeatTo(tokens, length));
    return { prompts, origin: 'built-in text' };
  } catch (error) {
    // Every fault of a tokenizer is one of its checkpoint; the weights can be compared all the same.
    if (!(error instanceof AppError && error.code.startsWith('checkpoint/'))) throw error;
    const prompts = builtInTexts.map((_, i) => {
      const key = deriveKey(i, 'certificate');
      return Array.from({ length }, (__, t) => integerAt(key, t, vocab));
    });
    return { prompts, origin: 'random text, because no tokenizer can be used' };
  }
}

/** The first `length` tokens of `tokens`, repeated as often as needed. */
const repeatTo = (tokens: readonly number[], length: number): readonly number[] =>
  Array.from({ length }, (_, i) => tokens[i % tokens.length]!);
