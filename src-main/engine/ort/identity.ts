/**
 * @file The one-node Identity model, as bytes: a run of it moves a tensor of any shape between host and
 * device.
 */
import { dtypes, type DType } from '../../tensor/dtype.ts';

const letters = (text: string): number[] => Array.from(text, (c) => c.charCodeAt(0));
/**
 * A protobuf field holding bytes (a message, or text); all lengths here are below 128, so one byte says each.
 */
const field = (number: number, content: readonly number[]): number[] => [
  (number << 3) | 2,
  content.length,
  ...content,
];
const int = (number: number, value: number): number[] => [number << 3, value];

/** `y = Identity(x)` for `dtype`, without any shape (IR version 10, opset 21). */
export function identityModel(dtype: DType): Uint8Array {
  const value = (name: string): number[] => [
    ...field(1, letters(name)),
    ...field(2, field(1, int(1, dtypes[dtype].onnx))),
  ];
  const node = [...field(1, letters('x')), ...field(2, letters('y')), ...field(4, letters('Identity'))];
  const graph = [
    ...field(1, node),
    ...field(2, letters('identity')),
    ...field(11, value('x')),
    ...field(12, value('y')),
  ];
  return Uint8Array.from([...int(1, 10), ...field(8, int(2, 21)), ...field(7, graph)]);
}
