/**
 * @file Draws approximate normals with WebAssembly SIMD, eight at a time. The numbers equal those of
 * `approximateNormalAt` in base/random.ts on every machine, because the arithmetic is on integers.
 */
import { approximateNormalAt } from '../../base/random.ts';
import type { DrawApproximateNormals } from '../../growth/apply/noise.ts';
import {
  encodeModule,
  i16x8NarrowI32x4,
  i32Add,
  i32Const,
  i32LessThanUnsigned,
  i32x4Add,
  i32x4Const,
  i32x4ConstLanes,
  i32x4DotI16x8,
  i32x4Mul,
  i32x4ShiftRight,
  i32x4Splat,
  localGet,
  localSet,
  loopWhile,
  v128And,
  v128Store,
  v128Xor,
  type Code,
} from './wasm-assembler.ts';

declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Readonly<Record<string, unknown>> };
};

/**
 * Numbers drawn by one call of the WebAssembly function. The sums of their squares, in four lanes of 32 bits,
 * stay below 2^31.
 */
const maxCount = 8192;
/** Memory of the module: the four sums of squares, then the numbers as i16. */
const numbersOffset = 16;

const functionName = 'drawApproximateNormals';

/** Parameters. `weyl` is the key times the golden ratio, `key2` the key of the second word of random bits. */
const key = 0;
const weyl = 1;
const key2 = 2;
const index = 3;
const byteCount = 4;
/** Local variables: the address, then vectors. */
const address = 5;
const sums = 6;
const keys = 7;
const weyls = 8;
const keys2 = 9;
const indices = 10;
const word1 = 11;
const word2 = 12;
const result = 13;
const multiplier1 = 14;
const multiplier2 = 15;
const evenBytes = 16;

/** x ^= x >>> bits. */
const xorShiftRight = (x: number, bits: number): Code => [
  ...localGet(x),
  ...localGet(x),
  ...i32x4ShiftRight(bits),
  ...v128Xor,
  ...localSet(x),
];

/** x *= factor. */
const multiply = (x: number, factor: number): Code => [
  ...localGet(x),
  ...localGet(factor),
  ...i32x4Mul,
  ...localSet(x),
];

/** x = mix(x), as in base/random.ts. */
const mix = (x: number): Code => [
  ...xorShiftRight(x, 16),
  ...multiply(x, multiplier1),
  ...xorShiftRight(x, 13),
  ...multiply(x, multiplier2),
  ...xorShiftRight(x, 16),
];

/** Pushes the two sums of two bytes of each lane, as two 16-bit numbers. */
const addBytePairs = (x: number): Code => [
  ...localGet(x),
  ...localGet(evenBytes),
  ...v128And,
  ...localGet(x),
  ...i32x4ShiftRight(8),
  ...localGet(evenBytes),
  ...v128And,
  ...i32x4Add,
];

/** Pushes the four numbers at `indices`. */
const pushFourNumbers: Code = [
  ...localGet(indices),
  ...localGet(keys),
  ...v128Xor,
  ...localSet(word1),
  ...mix(word1),
  ...localGet(word1),
  ...localGet(weyls),
  ...i32x4Add,
  ...localSet(word1),
  ...mix(word1),
  ...localGet(word1),
  ...localGet(keys2),
  ...v128Xor,
  ...localSet(word2),
  ...mix(word2),
  ...addBytePairs(word1),
  ...addBytePairs(word2),
  ...i32x4Add,
  ...localSet(result),
  ...localGet(result),
  ...i32x4Const(0xffff),
  ...v128And,
  ...localGet(result),
  ...i32x4ShiftRight(16),
  ...i32x4Add,
  ...i32x4Const(-1020), // minus the mean of eight bytes
  ...i32x4Add,
];

/** indices += 4. */
const advanceIndices: Code = [...localGet(indices), ...i32x4Const(4), ...i32x4Add, ...localSet(indices)];

const splatParameter = (vector: number, parameter: number): Code => [
  ...localGet(parameter),
  ...i32x4Splat,
  ...localSet(vector),
];

const initialize: Code = [
  ...splatParameter(keys, key),
  ...splatParameter(weyls, weyl),
  ...splatParameter(keys2, key2),
  ...i32x4Const(0x85ebca6b),
  ...localSet(multiplier1),
  ...i32x4Const(0xc2b2ae35),
  ...localSet(multiplier2),
  ...i32x4Const(0x00ff00ff),
  ...localSet(evenBytes),
  ...localGet(index),
  ...i32x4Splat,
  ...i32x4ConstLanes([0, 1, 2, 3]),
  ...i32x4Add,
  ...localSet(indices),
];

/** Stores eight numbers, adds their squares to the sums, and advances the address. */
const drawEight: Code = [
  ...localGet(address),
  ...pushFourNumbers,
  ...advanceIndices,
  ...pushFourNumbers,
  ...advanceIndices,
  ...i16x8NarrowI32x4,
  ...localSet(result),
  ...localGet(result),
  ...v128Store(numbersOffset),
  ...localGet(sums),
  ...localGet(result),
  ...localGet(result),
  ...i32x4DotI16x8,
  ...i32x4Add,
  ...localSet(sums),
  ...localGet(address),
  ...i32Const(16),
  ...i32Add,
  ...localSet(address),
];

const isNotDone: Code = [...localGet(address), ...localGet(byteCount), ...i32LessThanUnsigned];
const storeSums: Code = [...i32Const(0), ...localGet(sums), ...v128Store(0)];

const module = encodeModule({
  name: functionName,
  parameters: 5,
  i32Locals: 1,
  v128Locals: 11,
  body: [...initialize, ...loopWhile(drawEight, isNotDone), ...storeSums],
});

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly drawApproximateNormals: (
    key: number,
    weyl: number,
    key2: number,
    index: number,
    byteCount: number,
  ) => void;
}

/** Returns a function with the results of `drawApproximateNormals` in growth/apply/noise.ts, but faster. */
export function loadApproximateNormals(): DrawApproximateNormals {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module));
  const { memory, drawApproximateNormals } = instance.exports as unknown as Exports;
  const laneSums = new Int32Array(memory.buffer, 0, 4);
  const numbers = new Int16Array(memory.buffer, numbersOffset, maxCount);
  return (seed, into, first = 0) => {
    const weylSeed = Math.imul(seed, 0x9e3779b1);
    const seed2 = seed ^ 0x6a09e667;
    const vectorized = into.length - (into.length % 8);
    let squares = 0;
    for (let start = 0; start < vectorized; start += maxCount) {
      const count = Math.min(maxCount, vectorized - start);
      drawApproximateNormals(seed, weylSeed, seed2, first + start, 2 * count);
      into.set(count === maxCount ? numbers : numbers.subarray(0, count), start);
      for (const sum of laneSums) squares += sum;
    }
    for (let i = vectorized; i < into.length; i++) {
      const value = approximateNormalAt(seed, first + i);
      into[i] = value;
      squares += value ** 2;
    }
    return squares;
  };
}
