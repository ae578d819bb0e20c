/** @file Field numbers of onnx.proto3, and the protobuf primitives that `onnx.ts` writes with. */
import type { BinaryWriter } from '@bufbuild/protobuf/wire';

export const modelFields = { irVersion: 1, producer: 2, graph: 7, opset: 8 };
export const opsetFields = { domain: 1, version: 2 };
export const graphFields = { node: 1, name: 2, initializer: 5, input: 11, output: 12, valueInfo: 13 };
export const nodeFields = { input: 1, output: 2, name: 3, op: 4, attribute: 5, domain: 7 };
export const attributeFields = { name: 1, float: 2, int: 3, string: 4, ints: 8, type: 20 };
export const attributeTypes = { float: 1, int: 2, string: 3, ints: 7 };
export const tensorFields = { dims: 1, dtype: 2, name: 8, raw: 9, external: 13, location: 14 };
export const externalLocation = 1;
export const entryFields = { key: 1, value: 2 };
export const valueInfoFields = { name: 1, type: 2 };
export const typeFields = { tensor: 1 };
export const tensorTypeFields = { element: 1, shape: 2 };
export const shapeFields = { dim: 1 };
export const dimFields = { value: 1, param: 2 };

/** Wire types of protobuf. */
const varint = 0;
const lengthDelimited = 2;
const fixed32 = 5;

export function writeString(w: BinaryWriter, field: number, value: string): void {
  w.tag(field, lengthDelimited).string(value);
}

export function writeInt(w: BinaryWriter, field: number, value: number): void {
  w.tag(field, varint).int64(value);
}

export function writeFloat(w: BinaryWriter, field: number, value: number): void {
  w.tag(field, fixed32).float(value);
}

export function writeBytes(w: BinaryWriter, field: number, value: Uint8Array): void {
  w.tag(field, lengthDelimited).bytes(value);
}

/** Writes a nested message whose fields `write` writes. */
export function writeMessage(w: BinaryWriter, field: number, write: (w: BinaryWriter) => void): void {
  w.tag(field, lengthDelimited).fork();
  write(w);
  w.join();
}
