import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  readBytes,
  readCount,
  showBytes,
  showCount,
  showDuration,
  showFlops,
} from '../../src-main/base/units.ts';

describe('units', () => {
  it.each([
    ['1M', 1e6],
    ['2.5e6', 2.5e6],
    ['300k', 3e5],
    ['1_000_000', 1e6],
    ['1,000', 1000],
    ['0.5b', 5e8],
    ['.5', 0.5],
    ['1T', 1e12],
    ['0', 0],
  ])('reads the count %s', (text, value) => {
    expect(readCount(text)).toBe(value);
  });
  it.each(['', 'M', '1 M M', '-1', '1x', 'e6', 'NaN', '1e999', '1..2'])('refuses the count "%s"', (text) => {
    expect(readCount(text)).toBeUndefined();
  });
  it.each([
    ['20 GB', 20e9],
    ['512 MiB', 512 * 2 ** 20],
    ['1.5e9', 1.5e9],
    ['1KiB', 1024],
    ['7 b', 7],
    ['3k', 3000],
  ])('reads the bytes %s', (text, value) => {
    expect(readBytes(text)).toBe(value);
  });
  it.each(['', 'GB', '-1 MB', '3 XB', 'many'])('refuses the bytes "%s"', (text) => {
    expect(readBytes(text)).toBeUndefined();
  });
  it.each([
    [0, '0'],
    [999, '999'],
    [1000, '1.00k'],
    [999_600, '1.00M'],
    [13_190_000, '13.2M'],
    [1.5e12, '1.50T'],
    [260_032, '260k'],
  ])('shows the count %d as %s', (value, text) => {
    expect(showCount(value)).toBe(text);
  });
  it('shows bytes and FLOPs', () => {
    expect([showBytes(1_048_576), showBytes(0), showFlops(2.1e12)]).toEqual(['1.05 MB', '0 B', '2.10 TFLOP']);
  });
  it.each([
    [0.42, '0.42 s'],
    [38.2, '38 s'],
    [59.9, '1 min 00 s'],
    [250, '4 min 10 s'],
    [11_100, '3 h 05 min'],
    [187_200, '2 d 4 h'],
  ])('shows %d seconds as %s', (value, text) => {
    expect(showDuration(value)).toBe(text);
  });
  it('reads back what it shows, to three digits', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e15 }), (n) => {
        expect(readCount(showCount(n))! / Math.max(1, n)).toBeCloseTo(n ? 1 : 0, 2);
      }),
    );
  });
});
