import { describe, expect, test } from 'vitest';
import { DeviceTensor } from '../../../src-main/engine/ort/device-tensor.ts';
import { dtypes, type DType } from '../../../src-main/tensor/dtype.ts';

const all = Object.keys(dtypes) as DType[];
const sample = (dtype: DType, count: number): Uint8Array =>
  Uint8Array.from({ length: count * dtypes[dtype].bytes }, (_, i) =>
    dtype === 'bool' ? i % 2 : (i * 7) % 100,
  );

describe.each(all)('%s', (dtype) => {
  test('over an array: the array itself', () => {
    const bytes = sample(dtype, 6);
    const tensor = DeviceTensor.over(bytes, dtype, [2, 3]);
    expect(tensor).toMatchObject({ dtype, shape: [2, 3], device: 'cpu', count: 6 });
    expect(tensor.bytes()).toEqual(bytes);
    bytes[0] = bytes[0] === 1 ? 0 : 1;
    expect(tensor.bytes()).toEqual(bytes);
    tensor.dispose();
  });
  test('in memory of its own: a copy, or zeros', () => {
    const bytes = sample(dtype, 6);
    const tensor = DeviceTensor.host(dtype, [6], bytes);
    const zeros = DeviceTensor.host(dtype, [3, 2]);
    const before = bytes.slice();
    bytes.fill(0);
    expect(tensor.bytes()).toEqual(before);
    expect(zeros.bytes()).toEqual(new Uint8Array(bytes.length));
    tensor.dispose();
    zeros.dispose();
  });
  test('empty, and a scalar', () => {
    for (const shape of [[0], [2, 0], []]) {
      const count = shape.reduce((a, b) => a * b, 1);
      const bytes = sample(dtype, count);
      for (const tensor of [DeviceTensor.over(bytes, dtype, shape), DeviceTensor.host(dtype, shape, bytes)]) {
        expect(tensor.shape).toEqual(shape);
        expect(tensor.bytes()).toEqual(bytes);
        tensor.dispose();
      }
    }
  });
});

test('values come in the array of their dtype, and in no other', () => {
  const tensor = DeviceTensor.over(BigInt64Array.of(1n, -2n), 'int64', [2]);
  expect(tensor.values('int64')).toEqual(BigInt64Array.of(1n, -2n));
  expect(() => tensor.values('float64')).toThrow(/read as float64/);
  tensor.dispose();
});

test('a size or an alignment that does not fit is refused', () => {
  expect(() => DeviceTensor.over(new Float32Array(5), 'float32', [2, 3])).toThrow(/24 bytes, not 20/);
  expect(() => DeviceTensor.host('bfloat16', [2], new Uint8Array(3))).toThrow(/4 bytes, not 3/);
  expect(() => DeviceTensor.over(new Uint8Array(9).subarray(1), 'float32', [2])).toThrow(/offset 1/);
});

test('disposing twice is fine, using it after is not', () => {
  const tensor = DeviceTensor.host('float32', [2]);
  tensor.dispose();
  tensor.dispose();
  expect(() => tensor.bytes()).toThrow(/disposed/);
  expect(() => tensor.hold()).toThrow(/disposed/);
});

test('what is held is freed only when the holder lets go', () => {
  const tensor = DeviceTensor.over(Float32Array.of(1, 2), 'float32', [2]);
  const drop = tensor.hold();
  tensor.dispose();
  drop();
  expect(() => tensor.value).toThrow(/disposed/);
});
