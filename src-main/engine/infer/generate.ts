/** @file Generates text token by token, of one text or of several at once. Model, prompt and seed decide it. */
import { refuse } from '../../base/errors.ts';
import { deriveKey, uniformAt } from '../../base/random.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import type { Device } from '../ort/device.ts';
import { chooseToken, type Sampling } from './sampling.ts';
import { openDecoder, type Decoder } from './kv-cache.ts';
import type { LoadedModel } from '../model/weights.ts';
import { getMaxPositions } from '../../model/positions.ts';
import { fixedLengthOf } from '../../model/rope-frequencies.ts';

/** Context length of a model without max_position_embeddings. */
const defaultContextLength = 2048;

export interface SamplingOptions extends Sampling {
  readonly seed: number;
  /** Tokens that end the text. They are not returned. */
  readonly stops?: readonly number[];
  /** Called with the logits [vocab] from which each returned token was chosen, before it is returned. */
  readonly onLogits?: (logits: Float32Array, token: number) => void;
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
  { seed, stops = [], onLogits, ...sampling }: SamplingOptions,
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
        const capacity = chooseCacheCapacity(context.length, maxLength);
        decoder = await openDecoder(device, loaded, withoutChange(capacity, context.length, loaded));
        isFilled = false;
      }
      // Beyond the maximum length every token moves to an earlier position, which invalidates the cache.
      const logits =
        isFilled && text.length <= maxLength
          ? await decoder.decode([text.at(-1)!], text.length - 1)
          : await decoder.prefill([context]);
      isFilled = true;
      const token = chooseToken(logits, sampling, uniformAt(key, i), text);
      if (stops.includes(token)) return;
      onLogits?.(logits, token);
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
  const open = (read: number): Promise<Decoder> =>
    openDecoder(device, loaded, withoutChange(length + count - 1, read, loaded), texts.length);
  let decoder = await open(length);
  let isFilled = false;
  try {
    for (let i = 0; i < count; i++) {
      if (signal.aborted) refuse('cancelled', { what: 'Generating' });
      if (length + i > decoder.capacity) {
        await decoder.dispose();
        decoder = await open(length + i);
        isFilled = false;
      }
      const logits = isFilled
        ? await decoder.decode(
            added.map((tokens) => tokens.at(-1)!),
            length + i - 1,
          )
        : await decoder.prefill(texts.map((text, at) => [...text, ...added[at]!]));
      isFilled = true;
      const vocab = logits.length / texts.length;
      for (const [text, key] of keys.entries()) {
        const ofText = logits.subarray(text * vocab, (text + 1) * vocab);
        added[text]!.push(chooseToken(ofText, { temperature }, uniformAt(key, i)));
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
 * `capacity`, or less for a text of `length` tokens whose rotary frequencies would change within it: the cache ends
 * there, and the longer text is read anew, as transformers does (modeling_phi3.py, prepare_inputs_for_generation).
 */
function withoutChange(capacity: number, length: number, { model }: LoadedModel): number {
  const fixed = fixedLengthOf(model.settings);
  return length <= fixed ? Math.min(capacity, fixed) : capacity;
}
