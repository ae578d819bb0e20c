/**
 * @file Builds an ONNX model with a single Identity node. Running it copies a tensor of any shape between host
 * and device.
 */
import { dtypes, type DType } from '../../tensor/dtype.ts';

const encodeAscii = (text: string): number[] => Array.from(text, (c) => c.charCodeAt(0));

/**
 * A length-delimited protobuf field: a message or a string. Every length in this file is below 128, so it
 * takes one byte.
 */
const bytesField = (number: number, content: readonly number[]): number[] => [
  (number << 3) | 2,
  content.length,
  ...content,
];
const intField = (number: number, value: number): number[] => [number << 3, value];

/** Returns the bytes of the model `y = Identity(x)` for `dtype`, without shapes (IR version 10, opset 21). */
export function encodeIdentityModel(dtype: DType): Uint8Array {
  const valueInfo = (name: string): number[] => [
    ...bytesField(1, encodeAscii(name)),
    ...bytesField(2, bytesField(1, intField(1, dtypes[dtype].onnx))),
  ];
  const node = [
    ...bytesField(1, encodeAscii('x')),
    ...bytesField(2, encodeAscii('y')),
    ...bytesField(4, encodeAscii('Identity')),
  ];
  const graph = [
    ...bytesField(1, node),
    ...bytesField(2, encodeAscii('identity')),
    ...bytesField(11, valueInfo('x')),
    ...bytesField(12, valueInfo('y')),
  ];
  return Uint8Array.from([...intField(1, 10), ...bytesField(8, intField(2, 21)), ...bytesField(7, graph)]);
}
