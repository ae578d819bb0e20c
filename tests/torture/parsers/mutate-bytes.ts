/** @file Random changes of bytes: flipped bits, other lengths and offsets, parts that are cut out or repeated. */
import type { Dice } from '../stored/mutate.ts';

/** Numbers that lengths and offsets stumble over. */
const numbers = [0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];

function mutateOnce(bytes: Buffer, dice: Dice): Buffer {
  if (bytes.length === 0) return Buffer.from([dice.below(256)]);
  // Headers and directories are at the ends.
  const place = dice.below(3);
  const near = Math.min(bytes.length, 200);
  const at = [dice.below(bytes.length), dice.below(near), bytes.length - 1 - dice.below(near)][place]!;
  const length = 1 + dice.below(Math.min(64, bytes.length - at));
  const part = bytes.subarray(at, at + length);
  const kinds: readonly (() => Buffer)[] = [
    () => {
      bytes[at]! ^= 1 << dice.below(8);
      return bytes;
    },
    () => {
      bytes[at] = dice.below(256);
      return bytes;
    },
    () => {
      const number = Buffer.alloc(4);
      number.writeUInt32LE(dice.pick(numbers));
      number.copy(bytes, at, 0, dice.pick([1, 2, 4]));
      return bytes;
    },
    () => bytes.subarray(0, at),
    () => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]),
    () => Buffer.concat([bytes.subarray(0, at), part, part, bytes.subarray(at + length)]),
    () => Buffer.concat([bytes.subarray(0, at), Buffer.from([dice.below(256)]), bytes.subarray(at)]),
  ];
  return dice.pick(kinds)();
}

export function mutateBytes(bytes: Buffer, dice: Dice): Buffer {
  let mutated = Buffer.from(bytes);
  const changes = 1 + dice.below(4);
  for (let i = 0; i < changes; i++) mutated = Buffer.from(mutateOnce(mutated, dice));
  return mutated;
}
