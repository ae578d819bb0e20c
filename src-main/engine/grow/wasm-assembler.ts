/** @file Encodes the WebAssembly instructions and sections that approximate-normals.ts needs. */

/** Bytes of WebAssembly code. */
export type Code = readonly number[];

/** Signed LEB128. */
export function encodeInteger(value: number): Code {
  const low = value & 0x7f;
  const rest = value >> 7;
  const isLast = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
  return isLast ? [low] : [low | 0x80, ...encodeInteger(rest)];
}

export const encodeVector = (...items: readonly Code[]): Code => [
  ...encodeInteger(items.length),
  ...items.flat(),
];

/** A string of fewer than 64 ASCII characters. */
export const encodeName = (name: string): Code => [
  name.length,
  ...Array.from(name, (character) => character.charCodeAt(0)),
];

const encodeSection = (id: number, body: Code): Code => [id, ...encodeInteger(body.length), ...body];

const i32Type = 0x7f;
const v128Type = 0x7b;

/** A function with i32 parameters and no result. */
export interface WasmFunction {
  readonly name: string;
  readonly parameters: number;
  /** Additional local variables of each type; the i32 ones come first. */
  readonly i32Locals: number;
  readonly v128Locals: number;
  readonly body: Code;
}

/** Encodes a module with this function and one page of memory, which is exported as `memory`. */
export function encodeModule(f: WasmFunction): Uint8Array {
  const parameters = Array.from({ length: f.parameters }, () => [i32Type]);
  const functionType = [0x60, ...encodeVector(...parameters), 0];
  const locals = encodeVector([f.i32Locals, i32Type], [f.v128Locals, v128Type]);
  const code = [...locals, ...f.body, end];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d], // magic number
    ...[1, 0, 0, 0], // version
    ...encodeSection(1, encodeVector(functionType)),
    ...encodeSection(3, encodeVector([0])),
    ...encodeSection(5, encodeVector([0, 1])),
    ...encodeSection(7, encodeVector([...encodeName('memory'), 2, 0], [...encodeName(f.name), 0, 0])),
    ...encodeSection(10, encodeVector([...encodeInteger(code.length), ...code])),
  ]);
}

const end = 0x0b;

export const localGet = (local: number): Code => [0x20, local];
export const localSet = (local: number): Code => [0x21, local];
export const i32Const = (value: number): Code => [0x41, ...encodeInteger(value | 0)];
export const i32Add: Code = [0x6a];
export const i32LessThanUnsigned: Code = [0x49];

/** Repeats `body` while the condition, an i32 that the code leaves on the stack, is not zero. */
export const loopWhile = (body: Code, condition: Code): Code => [
  ...[0x03, 0x40],
  ...body,
  ...condition,
  ...[0x0d, 0],
  end,
];

const simd = (...opcode: readonly number[]): Code => [0xfd, ...opcode];
export const i32x4Splat = simd(0x11);
export const i32x4Add = simd(0xae, 0x01);
export const i32x4Mul = simd(0xb5, 0x01);
/** Multiplies pairs of i16 and adds neighbours. */
export const i32x4DotI16x8 = simd(0xba, 0x01);
/** Narrows two i32x4 to one i16x8, with saturation. */
export const i16x8NarrowI32x4 = simd(0x85, 0x01);
export const v128And = simd(0x4e);
export const v128Xor = simd(0x51);
/** Stores to an address plus `offset`, aligned to 16 bytes. */
export const v128Store = (offset: number): Code => simd(0x0b, 4, offset);

/** The same 32-bit integer in every lane. */
export const i32x4Const = (value: number): Code => [...i32Const(value), ...i32x4Splat];
/** Four integers from 0 to 255. */
export const i32x4ConstLanes = (lanes: readonly [number, number, number, number]): Code => [
  ...simd(0x0c),
  ...lanes.flatMap((lane) => [lane, 0, 0, 0]),
];
export const i32x4ShiftRight = (bits: number): Code => [...i32Const(bits), ...simd(0xad, 0x01)];
