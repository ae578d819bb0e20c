/** @file A model writes, one token at a time; choices are a function of the seed. */
import { keyOf, uniformAt } from '../../base/random.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import type { Device } from '../ort/device.ts';
import { openDecoder, type Decoder } from './kv-cache.ts';
import { positionsOf, type Loaded } from '../model/weights.ts';

export interface Choice {
  /** 0 takes the likeliest token. */
  readonly temperature: number;
  readonly seed: number;
  /** Stops before these. */
  readonly stops?: readonly number[];
}

/** The longest text a model is given to read: its positions; a model that does not say gets this many. */
export const longest = ({ model }: { readonly model: Parameters<typeof positionsOf>[0] }): number => {
  const most = positionsOf(model);
  return Number.isFinite(most) ? most : 2048;
};

/**
 * Up to `count` tokens after `prompt` (one token or more). Where the text outgrows the model's positions its
 * beginning is dropped.
 */
export async function* generate(
  device: Device,
  loaded: Loaded,
  prompt: readonly number[],
  count: number,
  { temperature, seed, stops = [] }: Choice,
  signal?: AbortSignalLike,
): AsyncGenerator<number> {
  const most = longest(loaded);
  const text = [...prompt];
  const key = keyOf(seed, 'choice');
  let decoder: Decoder | undefined;
  let begun = false;
  try {
    for (let i = 0; i < count && !signal?.aborted; i++) {
      const seen = text.slice(-most);
      if (!decoder || seen.length > decoder.room) {
        await decoder?.dispose();
        decoder = await openDecoder(
          device,
          loaded,
          Math.min(most, Math.max(64, 2 ** Math.ceil(Math.log2(seen.length + 1)))),
        );
        begun = false;
      }
      // Past the last position every token stands one place further to the front than before, and nothing
      // that is kept is true any more.
      const logits =
        begun && text.length <= most
          ? await decoder.next(text.at(-1)!, text.length - 1)
          : await decoder.begin(seen);
      begun = true;
      const token = choose(logits, temperature, uniformAt(key, i));
      if (stops.includes(token)) return;
      text.push(token);
      yield token;
    }
  } finally {
    await decoder?.dispose();
  }
}

/** The likeliest token, or the one at `u` (uniform in [0, 1)) of the softmax at this temperature. */
export function choose(logits: Float32Array, temperature: number, u: number): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  if (temperature === 0) return best;
  let total = 0;
  const weights = Float64Array.from(logits, (x) => {
    const w = Math.exp((x - logits[best]!) / temperature);
    total += w;
    return w;
  });
  let rest = u * total;
  for (let i = 0; i < weights.length; i++) if ((rest -= weights[i]!) < 0) return i;
  return best;
}
