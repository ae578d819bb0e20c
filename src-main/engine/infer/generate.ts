/** @file Generates text token by token. The sampled tokens depend only on the model, the prompt and the seed. */
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
          ? await decoder.decode(text.at(-1)!, text.length - 1)
          : await decoder.prefill(context);
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
