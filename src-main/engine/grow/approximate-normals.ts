/**
 * @file The numbers of paired noise, eight at a time: base/random's `bellAt` as a WebAssembly module of one
 * function, assembled here. Whole-number arithmetic, so the same on every machine.
 */
import { bellAt } from '../../base/random.ts';
import type { Bells } from '../../growth/apply/noise.ts';

declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Readonly<Record<string, unknown>> };
};

/**
 * Numbers of one call: their squares, summed in four lanes of 32 bits, stay below 2^31. They begin at byte 16
 * of the module's memory, behind those sums.
 */
const most = 8192;
const begin = 16;

const leb = (n: number): readonly number[] => {
  const low = n & 0x7f;
  const rest = n >> 7;
  return (rest === 0 && !(low & 0x40)) || (rest === -1 && low & 0x40) ? [low] : [low | 0x80, ...leb(rest)];
};
const vector = (...items: readonly (readonly number[])[]): readonly number[] => [
  ...leb(items.length),
  ...items.flat(),
];
const section = (id: number, body: readonly number[]): readonly number[] => [
  id,
  ...leb(body.length),
  ...body,
];
const text = (word: string): readonly number[] => [word.length, ...Array.from(word, (c) => c.charCodeAt(0))];

const get = (local: number): readonly number[] => [0x20, local];
const set = (local: number): readonly number[] => [0x21, local];
const i32 = (n: number): readonly number[] => [0x41, ...leb(n | 0)];
const lanes = (n: number): readonly number[] => [...i32(n), 0xfd, 0x11];
const xor = [0xfd, 0x51];
const and = [0xfd, 0x4e];
const add = [0xfd, 0xae, 0x01];
const mul = [0xfd, 0xb5, 0x01];
const dot = [0xfd, 0xba, 0x01];
const narrow = [0xfd, 0x85, 0x01];
const store = [0xfd, 0x0b, 4, 0];
const right = (n: number): readonly number[] => [...i32(n), 0xfd, 0xad, 0x01];

/**
 * Parameters: the key, what is added between the mixes, the key of the second half, the first index, the
 * bytes to write. Then an address, and vectors.
 */
const key = 0;
const between = 1;
const other = 2;
const index = 3;
const bytes = 4;
const at = 5;
const sums = 6;
const keys = 7;
const betweens = 8;
const others = 9;
const first = 10;
const m = 11;
const word = 12;
const half = 13;
const times = [0x85ebca6b, 0xc2b2ae35].map((n, i) => [14 + i, ...lanes(n)] as const);
const bytePairs = 16;

/** x ^= x >>> n. */
const fold = (local: number, n: number): readonly number[] => [
  ...get(local),
  ...get(local),
  ...right(n),
  ...xor,
  ...set(local),
];
const mixed = (local: number): readonly number[] => [
  ...fold(local, 16),
  ...get(local),
  ...get(14),
  ...mul,
  ...set(local),
  ...fold(local, 13),
  ...get(local),
  ...get(15),
  ...mul,
  ...set(local),
  ...fold(local, 16),
];
const bytesOf = (local: number): readonly number[] => [
  ...get(local),
  ...get(bytePairs),
  ...and,
  ...get(local),
  ...right(8),
  ...get(bytePairs),
  ...and,
  ...add,
];

/** Four numbers from the indices in `first`, onto the stack. */
const four: readonly number[] = [
  ...get(first),
  ...get(keys),
  ...xor,
  ...set(m),
  ...mixed(m),
  ...get(m),
  ...get(betweens),
  ...add,
  ...set(m),
  ...mixed(m),
  ...get(m),
  ...get(others),
  ...xor,
  ...set(word),
  ...mixed(word),
  ...bytesOf(m),
  ...bytesOf(word),
  ...add,
  ...set(half),
  ...get(half),
  ...lanes(0xffff),
  ...and,
  ...get(half),
  ...right(16),
  ...add,
  ...lanes(-1020),
  ...add,
];
const onward = [...get(first), ...lanes(4), ...add, ...set(first)];

const body: readonly number[] = [
  ...[
    [keys, key],
    [betweens, between],
    [others, other],
  ].flatMap(([local, from]) => [...get(from!), 0xfd, 0x11, ...set(local!)]),
  ...times.flatMap(([local, ...code]) => [...code, ...set(local)]),
  ...lanes(0x00ff00ff),
  ...set(bytePairs),
  ...get(index),
  0xfd,
  0x11,
  0xfd,
  0x0c,
  ...[0, 1, 2, 3].flatMap((n) => [n, 0, 0, 0]),
  ...add,
  ...set(first),
  0x03,
  0x40, // loop
  ...get(at),
  ...four,
  ...onward,
  ...four,
  ...onward,
  ...narrow,
  ...set(half),
  ...get(half),
  ...store.slice(0, 3),
  begin,
  ...get(sums),
  ...get(half),
  ...get(half),
  ...dot,
  ...add,
  ...set(sums),
  ...get(at),
  ...i32(16),
  0x6a,
  ...set(at),
  ...get(at),
  ...get(bytes),
  0x49,
  0x0d,
  0,
  0x0b, // at += 16; again while at < bytes
  ...i32(0),
  ...get(sums),
  ...store,
  0x0b,
];
const code: readonly number[] = [...vector([1, 0x7f], [11, 0x7b]), ...body];
const module = Uint8Array.from([
  0,
  0x61,
  0x73,
  0x6d,
  1,
  0,
  0,
  0,
  ...section(1, vector([0x60, ...vector([0x7f], [0x7f], [0x7f], [0x7f], [0x7f]), 0])),
  ...section(3, vector([0])),
  ...section(5, vector([0, 1])),
  ...section(7, vector([...text('memory'), 2, 0], [...text('draw'), 0, 0])),
  ...section(10, vector([...leb(code.length), ...code])),
]);

/** Draws as `drawBells` of growth/noise.ts does, several times as fast. */
export function fastBells(): Bells {
  const { memory, draw } = new WebAssembly.Instance(new WebAssembly.Module(module)).exports as {
    memory: { readonly buffer: ArrayBuffer };
    draw: (key: number, between: number, other: number, index: number, bytes: number) => void;
  };
  const lanesOf = new Int32Array(memory.buffer, 0, 4);
  const numbers = new Int16Array(memory.buffer, begin, most);
  return (seed, into, first = 0) => {
    const between = Math.imul(seed, 0x9e3779b1);
    const other = seed ^ 0x6a09e667;
    const whole = into.length - (into.length % 8);
    let squares = 0;
    for (let at = 0; at < whole; at += most) {
      const count = Math.min(most, whole - at);
      draw(seed, between, other, first + at, 2 * count);
      into.set(count === most ? numbers : numbers.subarray(0, count), at);
      for (const sum of lanesOf) squares += sum;
    }
    for (let i = whole; i < into.length; i++) squares += (into[i] = bellAt(seed, first + i)) ** 2;
    return squares;
  };
}
