/** @file Rotary positions of every type in float64, from modeling_rope_utils.py. */
import { numberOf, type Config, type Matrix } from './layers.ts';

/** What is done to the rotated entries of a head. */
export interface Rotation {
  /** Radians per position of each pair. */
  readonly frequencies: readonly number[];
  /** Multiplies cosines and sines. */
  readonly scale: number;
  /** Whether pairs are neighbours. Default: they are half of the rotated width apart. */
  readonly interleaved?: boolean;
}

const numbers = (rope: Config, key: string): readonly number[] => rope[key] as readonly number[];

/** 0.1 m ln(s) + 1, the temperature of YaRN. */
const temperature = (s: number, m = 1): number => (s <= 1 ? 1 : 0.1 * m * Math.log(s) + 1);

/** The blend of YaRN between frequencies that stay (0) and frequencies that are divided by the factor (1). */
function yarnRamp(rope: Config, base: number, width: number, original: number): readonly number[] {
  const dimension = (turns: number): number =>
    (width * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(base));
  let low = dimension(numberOf(rope, 'beta_fast', 32));
  let high = dimension(numberOf(rope, 'beta_slow', 1));
  if (rope['truncate'] !== false) [low, high] = [Math.floor(low), Math.ceil(high)];
  low = Math.max(low, 0);
  high = Math.min(high, width - 1);
  if (low === high) high += 0.001;
  return Array.from({ length: width / 2 }, (_, i) => Math.min(1, Math.max(0, (i - low) / (high - low))));
}

/**
 * The rotation of `width` entries of a head in a sequence of `length` tokens, from the rotary object of one kind of
 * layer. `config` has max_position_embeddings.
 */
export function rotationOf(
  rope: Config,
  config: Config,
  { width, length, theta }: { readonly width: number; readonly length: number; readonly theta: number },
): Rotation {
  const type = String(rope['rope_type'] ?? rope['type'] ?? 'default');
  const base = numberOf(rope, 'rope_theta', numberOf(config, 'rope_theta', theta));
  const positions = numberOf(config, 'max_position_embeddings', 0);
  const key = 'original_max_position_embeddings';
  const original = numberOf(config, key, numberOf(rope, key, positions));
  const factor = numberOf(rope, 'factor', positions / original);
  const withBase = (b: number): number[] =>
    Array.from({ length: width / 2 }, (_, i) => b ** (-(2 * i) / width));
  const plain = withBase(base);
  const power = width / (width - 2);
  if (type === 'dynamic' && rope['alpha'])
    return { frequencies: withBase(base * Number(rope['alpha']) ** power), scale: 1 };
  if (type === 'dynamic') {
    const stretch = (factor * Math.max(length, positions)) / positions - (factor - 1);
    return { frequencies: withBase(base * stretch ** power), scale: 1 };
  }
  if (type === 'yarn') {
    const ramp = yarnRamp(rope, base, width, original);
    const all = numberOf(rope, 'mscale_all_dim', 0);
    const one = numberOf(rope, 'mscale', 0);
    const scale = all && one ? temperature(factor, one) / temperature(factor, all) : temperature(factor);
    return {
      frequencies: plain.map((f, i) => (f / factor) * ramp[i]! + f * (1 - ramp[i]!)),
      scale: numberOf(rope, 'attention_factor', scale),
    };
  }
  if (type === 'longrope') {
    const factors = numbers(rope, length > original ? 'long_factor' : 'short_factor');
    const scale = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
    return {
      frequencies: plain.map((f, i) => f / factors[i]!),
      scale: numberOf(rope, 'attention_factor', scale),
    };
  }
  if (type === 'linear') return { frequencies: plain.map((f) => f / factor), scale: 1 };
  if (type !== 'llama3') return { frequencies: plain, scale: 1 };
  const low = numberOf(rope, 'low_freq_factor', 1);
  const high = numberOf(rope, 'high_freq_factor', 4);
  const frequencies = plain.map((f) => {
    const wavelength = (2 * Math.PI) / f;
    if (wavelength < original / high) return f;
    if (wavelength > original / low) return f / factor;
    const smooth = (original / wavelength - low) / (high - low);
    return ((1 - smooth) * f) / factor + smooth * f;
  });
  return { frequencies, scale: 1 };
}

/** Rotates the first entries of every head; the others are unchanged. */
export const turn = (
  x: Matrix,
  headDim: number,
  { frequencies, scale, interleaved = false }: Rotation,
): Matrix =>
  x.map((row, position) => {
    const out = row.slice();
    const half = frequencies.length;
    for (let head = 0; head < row.length; head += headDim)
      frequencies.forEach((frequency, i) => {
        const a = head + (interleaved ? 2 * i : i);
        const b = head + (interleaved ? 2 * i + 1 : i + half);
        const cos = scale * Math.cos(position * frequency);
        const sin = scale * Math.sin(position * frequency);
        out[a] = row[a]! * cos - row[b]! * sin;
        out[b] = row[b]! * cos + row[a]! * sin;
      });
    return out;
  });
