/** @file Generates text token by token, of one text or of several at once. Model, prompt and seed decide it. */
import { refuse } from '../../base/errors.ts';
import { deriveKey, uniformAt } from '../../base/random.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import type { Device } from '../ort/device.ts';
import { openDecoder, type Decoder } from './kv-cache.ts';
import { getMaxPositions, type LoadedModel } from '../model/weights.ts';

/** Context length of a model without max_position_embeddings. */
const defaultContextLength = 2048;

export interface SamplingOptions {
  /** 0 means greedy decoding. */
  readonly temperature: number;
  readonly seed: number;
  /** Tokens that end the text. They are not returned. */
  readonly stops?: readonly number[];
}

/** Returns the maximum number of tokens that a model reads at once. */
export const getMaxContextLength = ({
  model,
}: {
  readonly model: Parameters<typeof getMaxPositions>[0];
}): number => {
  const positions = getMaxPositions(model);
  return Number.isFinite(positions) ? positions : defaultContextLength;
};

/**
 * Yields up to `count` tokens after `prompt`, which has at least one token. If the text exceeds the maximum
 * context length, its beginning is dropped.
 */
export async function* generate(
  device: Device,
  loaded: LoadedModel,
  prompt: readonly number[],
  count: number,
  { temperature, seed, stops = [] }: SamplingOptions,
  signal?: AbortSignalLike,
): AsyncGenerator<number> {
  const maxLength = getMaxContextLength(loaded);
  const text = [...prompt];
  const key = deriveKey(seed, 'choice');
  let decoder: Decoder | undefined;
  let isFilled = false;
  try {
    for (let i = 0; i < count && !signal?.aborted; i++) {
      const context = text.slice(-maxLength);
      if (!decoder || context.length > decoder.capacity) {
        await decoder?.dispose();
        decoder = await openDecoder(device, loaded, chooseCacheCapacity(context.length, maxLength));
        isFilled = false;
      }
      // Beyond the maximum length every token moves to an earlier position, which invalidates the cache.
      const logits =
        isFilled && text.length <= maxLength
          ? await decoder.decode([text.at(-1)!], text.length - 1)
          : await decoder.prefill([context]);
      isFilled = true;
      const token = sampleToken(logits, temperature, uniformAt(key, i));
      if (stops.includes(token)) return;
      text.push(token);
      yield token;
    }
  } finally {
    await decoder?.dispose();
  }
}

/**
 * Continues texts of the same length by `count` tokens each, all of them in one batch. Text i is sampled with the
 * seed `seed` + i. Length and `count` together must not exceed the maximum context length by more than one.
 * Throws `cancelled`.
 */
export async function continueTexts(
  device: Device,
  loaded: LoadedModel,
  texts: readonly (readonly number[])[],
  count: number,
  { temperature, seed }: Pick<SamplingOptions, 'temperature' | 'seed'>,
  signal: AbortSignalLike,
): Promise<readonly (readonly number[])[]> {
  const { length } = texts[0]!;
  const keys = texts.map((_, i) => deriveKey(seed + i, 'choice'));
  const added: number[][] = texts.map(() => []);
  const decoder = await openDecoder(device, loaded, length + count - 1, texts.length);
  try {
    for (let i = 0; i < count; i++) {
      if (signal.aborted) refuse('cancelled', { what: 'Generating' });
      const logits =
        i === 0
          ? await decoder.prefill(texts)
          : await decoder.decode(
              added.map((tokens) => tokens.at(-1)!),
              length + i - 1,
            );
      const vocab = logits.length / texts.length;
      for (const [text, key] of keys.entries()) {
        const ofText = logits.subarray(text * vocab, (text + 1) * vocab);
        added[text]!.push(sampleToken(ofText, temperature, uniformAt(key, i)));
      }
    }
    return added;
  } finally {
    await decoder.dispose();
  }
}

/** Returns the next power of two above `length`, at least 64 and at most `maxLength`. */
const chooseCacheCapacity = (length: number, maxLength: number): number =>
  Math.min(maxLength, Math.max(64, 2 ** Math.ceil(Math.log2(length + 1))));

/**
 * Returns the most likely token at temperature 0; otherwise samples from the softmax by inverting its
 * cumulative distribution at `u`, which is uniform in [0, 1).
 */
export function sampleToken(logits: Float32Array, temperature: number, u: number): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  if (temperature === 0) return best;
  let total = 0;
  const weights = Float64Array.from(logits, (x) => {
    const w = Math.exp((x - logits[best]!) / temperature);
    total += w;
    return w;
  });
  let remaining = u * total;
  for (let i = 0; i < weights.length; i++) {
    remaining -= weights[i]!;
    if (remaining < 0) return i;
  }
  return best; // rounding can leave a little
}
