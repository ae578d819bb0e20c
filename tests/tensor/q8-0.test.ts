/**
 * @file Q8_0 blocks have the bytes of ggml's reference: those of `gguf.quants.quantize` in the Python package gguf
 * 0.19.0, which follows `quantize_row_q8_0_ref`.
 */
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { dequantizeQ80, q80Bytes, q80Values, quantizeQ80 } from '../../src-main/tensor/q8-0.ts';

const block = Array.from({ length: q80Values }, (_, i) => i);

// prettier-ignore
const cases = [
  {
    title: 'a ramp',
    values: block.map((i) => (i - 16) / 7),
    bytes: [
      156, 36, 129, 137, 145, 153, 161, 169, 177, 185, 192, 200, 208, 216, 224, 232, 240, 248, 0, 8, 16, 24, 32,
      40, 48, 56, 64, 71, 79, 87, 95, 103, 111, 119,
    ],
  },
  {
    title: 'halves, which round away from zero',
    values: [127, ...block.slice(1).map((i) => i - 15.5)],
    bytes: [
      0, 60, 127, 241, 242, 243, 244, 245, 246, 247, 248, 249, 250, 251, 252, 253, 254, 255, 1, 2, 3, 4, 5, 6, 7,
      8, 9, 10, 11, 12, 13, 14, 15, 16,
    ],
  },
  {
    title: 'values whose scale is zero in float16',
    values: block.map((i) => Math.fround(Math.fround(1e-9) * i)),
    bytes: [
      0, 0, 0, 4, 8, 12, 16, 20, 25, 29, 33, 37, 41, 45, 49, 53, 57, 61, 66, 70, 74, 78, 82, 86, 90, 94, 98, 102,
      107, 111, 115, 119, 123, 127,
    ],
  },
  { title: 'zeros', values: block.map(() => 0), bytes: Array<number>(q80Bytes).fill(0) },
];

it.each(cases)('quantizes $title', ({ values, bytes }) => {
  expect([...quantizeQ80(Float32Array.from(values))]).toEqual(bytes);
});

/** 256 blocks with values between -30 and 30. */
const many = Float32Array.from({ length: 8192 }, (_, i) => (((i * 7919) % 20_011) - 10_005) / 333);

it('quantizes 8192 values', () => {
  const hash = createHash('sha256').update(quantizeQ80(many)).digest('hex');
  expect(hash).toBe('0a7027263eaf009405738b8064405357d5dee87c21135f602aca3ad26b9add18');
});

it('returns values that differ by half a step and the rounding of the scale at most', () => {
  const returned = dequantizeQ80(quantizeQ80(many));
  expect(returned).toHaveLength(many.length);
  for (let start = 0; start < many.length; start += q80Values) {
    const largest = Math.max(...many.subarray(start, start + q80Values).map(Math.abs));
    for (let i = start; i < start + q80Values; i++)
      expect(Math.abs(returned[i]! - many[i]!)).toBeLessThanOrEqual(largest * (0.5 / 127 + 2 ** -11));
  }
});

it('refuses values that do not fill blocks', () => {
  expect(() => quantizeQ80(new Float32Array(33))).toThrow(RangeError);
  expect(() => dequantizeQ80(new Uint8Array(q80Bytes + 1))).toThrow(RangeError);
});
