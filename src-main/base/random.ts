/**
 * @file Counter-based random numbers: (seed, names, index) gives the same value on every machine and in any
 * order. They use integer arithmetic only, so the rounding of math libraries has no effect.
 */

/** The 32-bit finaliser of MurmurHash3: every input bit affects every output bit. */
function mix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Derives the key of a stream of random numbers from a seed and names. */
export function deriveKey(seed: number, ...names: readonly (string | number)[]): number {
  let h = mix(seed ^ 0x9e3779b9) ^ mix(Math.floor(seed / 2 ** 32));
  for (const name of names) {
    const text = String(name);
    for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
    h = mix(h ^ text.length);
  }
  return h >>> 0;
}

/** 32 random bits of the stream `key` at `index`, which is below 2^32. */
export const bitsAt = (key: number, index: number): number =>
  mix(mix(index ^ key) + Math.imul(key, 0x9e3779b1));

/** Uniform in [0, 1). */
export const uniformAt = (key: number, index: number): number => bitsAt(key, index) / 2 ** 32;

/** An integer in [0, below). */
export const integerAt = (key: number, index: number, below: number): number =>
  Math.floor(uniformAt(key, index) * below);

/** Mean and standard deviation of a sum of eight uniform bytes. */
const mean = 8 * 127.5;
const std = Math.sqrt((8 * (256 * 256 - 1)) / 12);

/** `normalAt` before it is divided by its std: an integer from -1020 to 1020 with std 209.02. */
export function approximateNormalAt(key: number, index: number): number {
  const a = bitsAt(key, index);
  const b = mix(a ^ 0x6a09e667 ^ key);
  const pairs = (a & 0x00ff00ff) + ((a >>> 8) & 0x00ff00ff) + (b & 0x00ff00ff) + ((b >>> 8) & 0x00ff00ff);
  return (pairs & 0xffff) + (pairs >>> 16) - mean;
}

/**
 * An approximately normal number with mean 0 and std 1, from the sum of eight uniform bytes (excess kurtosis
 * -0.15, |x| at most 4.88). Equal on every machine.
 */
export const normalAt = (key: number, index: number): number => approximateNormalAt(key, index) / std;

/** The new position of `index` in a random permutation of 0..n-1: a Feistel network with cycle walking. */
export function permuteIndex(key: number, index: number, n: number): number {
  const half = Math.max(1, Math.ceil(Math.log2(Math.max(2, n)) / 2));
  const mask = 2 ** half - 1;
  let x = index;
  do {
    let left = Math.floor(x / 2 ** half);
    let right = x & mask;
    for (let round = 0; round < 4; round++) {
      const mixed = left ^ (bitsAt(key + round, right) & mask);
      left = right;
      right = mixed;
    }
    x = left * 2 ** half + right;
  } while (x >= n);
  return x;
}
