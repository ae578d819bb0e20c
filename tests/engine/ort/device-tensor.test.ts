import { describe, expect, test } from 'vitest';
import { DeviceTensor } from '../../../src-main/engine/ort/device-tensor.ts';
import { dtypes, type DType } from '../../../src-main/tensor/dtype.ts';

const all = Object.keys(dtypes) as DType[];
const sample = (dtype: DType, count: number): Uint8Array =>
  Uint8Array.from({ length: count * dtypes[dtype].bytes }, (_, i) =>
    dtype === 'bool' ? i % 2 : (i * 7) % 100,
  );

describe.each(all)('%s', (dtype) => {
  test('fromArray shares the memory of the array', () => {
    const bytes = sample(dtype, 6);
    const tensor = DeviceTensor.fromArray(bytes, dtype, [2, 3]);
    expect(tensor).toMatchObject({ dtype, shape: [2, 3], device: 'cpu', count: 6 });
    expect(tensor.bytes()).toEqual(bytes);
    bytes[0] = bytes[0] === 1 ? 0 : 1;
    expect(tensor.bytes()).toEqual(bytes);
    tensor.dispose();
  });
  test('allocate copies the data, or returns zeros', () => {
    const bytes = sample(dtype, 6);
    const tensor = DeviceTensor.allocate(dtype, [6], bytes);
    const zeros = DeviceTensor.allocate(dtype, [3, 2]);
    const before = bytes.slice();
    bytes.fill(0);
    expect(tensor.bytes()).toEqual(before);
    expect(zeros.bytes()).toEqual(new Uint8Array(bytes.length));
    tensor.dispose();
    zeros.dispose();
  });
  test('tensors may be empty or scalars', () => {
    for (const shape of [[0], [2, 0], []]) {
      const count = shape.reduce((a, b) => a * b, 1);
      const bytes = sample(dtype, count);
      for (const tensor of [
        DeviceTensor.fromArray(bytes, dtype, shape),
        DeviceTensor.allocate(dtype, shape, bytes),
      ]) {
        expect(tensor.shape).toEqual(shape);
        expect(tensor.bytes()).toEqual(bytes);
        tensor.dispose();
      }
    }
  });
});

test('values returns the array type of the dtype and refuses any other', () => {
  const tensor = DeviceTensor.fromArray(BigInt64Array.of(1n, -2n), 'int64', [2]);
  expect(tensor.values('int64')).toEqual(BigInt64Array.of(1n, -2n));
  expect(() => tensor.values('float64')).toThrow(/read as float64/);
  tensor.dispose();
});

test('refuses data of the wrong size or alignment', () => {
  expect(() => DeviceTensor.fromArray(new Float32Array(5), 'float32', [2, 3])).toThrow(/24 bytes, not 20/);
  expect(() => DeviceTensor.allocate('bfloat16', [2], new Uint8Array(3))).toThrow(/4 bytes, not 3/);
  expect(() => DeviceTensor.fromArray(new Uint8Array(9).subarray(1), 'float32', [2])).toThrow(/offset 1/);
});

test('may be disposed of twice, but not used afterwards', () => {
  const tensor = DeviceTensor.allocate('float32', [2]);
  tensor.dispose();
  tensor.dispose();
  expect(() => tensor.bytes()).toThrow(/disposed/);
  expect(() => tensor.retain()).toThrow(/disposed/);
});

test('a retained tensor is freed when it is released', () => {
  const tensor = DeviceTensor.fromArray(Float32Array.of(1, 2), 'float32', [2]);
  const release = tensor.retain();
  tensor.dispose();
  release();
  expect(() => tensor.ortValue).toThrow(/disposed/);
});
