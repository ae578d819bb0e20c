import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatCount } from '../../src-main/base/format.ts';
import { readBytes, readCount } from '../../src-main/base/units.ts';

describe('readCount', () => {
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
  ])('reads %s', (text, value) => {
    expect(readCount(text)).toBe(value);
  });

  it.each(['', 'M', '1 M M', '-1', '1x', 'e6', 'NaN', '1e999', '1..2'])('rejects "%s"', (text) => {
    expect(readCount(text)).toBeUndefined();
  });

  it('reads what formatCount writes, to three digits', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e15 }), (n) => {
        expect(readCount(formatCount(n))! / Math.max(1, n)).toBeCloseTo(n ? 1 : 0, 2);
      }),
    );
  });
});

describe('readBytes', () => {
  it.each([
    ['20 GB', 20e9],
    ['512 MiB', 512 * 2 ** 20],
    ['1.5e9', 1.5e9],
    ['1KiB', 1024],
    ['7 b', 7],
    ['3k', 3000],
  ])('reads %s', (text, value) => {
    expect(readBytes(text)).toBe(value);
  });

  it.each(['', 'GB', '-1 MB', '3 XB', 'many'])('rejects "%s"', (text) => {
    expect(readBytes(text)).toBeUndefined();
  });
});
