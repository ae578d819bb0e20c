import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Column, smooth, thin } from '../../../src-renderer/state/series.ts';

describe('Column', () => {
  it('grows beyond its initial capacity, and shortens', () => {
    const column = new Column();
    for (let i = 0; i < 1000; i++) column.push(i);
    expect(column.values.length).toBe(1000);
    expect(column.at(-1)).toBe(999);
    column.cut(10);
    expect([...column.values]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

describe('smooth', () => {
  it('starts at the first value and keeps a constant', () => {
    expect(smooth([5, 1], 0.9)[0]).toBeCloseTo(5, 12);
    expect([...smooth([3, 3, 3], 0.99)].every((v) => Math.abs(v - 3) < 1e-12)).toBe(true);
  });
  it('returns the values for a decay of 0', () => {
    expect([...smooth([4, 2, 9], 0)]).toEqual([4, 2, 9]);
  });
  it('skips values that are not finite', () => {
    expect(smooth([2, Number.NaN, 2], 0.5)[2]).toBeCloseTo(2, 12);
  });
  it('is the bias-corrected exponential moving average', () => {
    expect(smooth([1, 2], 0.5)[1]).toBeCloseTo((0.25 * 1 + 0.5 * 2) / 0.75, 12);
  });
});

describe('thin', () => {
  it('keeps all of a few points', () => {
    expect([...thin([1, 2, 3], 10)]).toEqual([0, 1, 2]);
  });
  it('keeps both ends, the lowest and the highest, in order and within the limit', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), { minLength: 50, maxLength: 600 }),
        (values) => {
          const at = [...thin(values, 40)];
          expect(at.length).toBeLessThanOrEqual(40);
          expect(at[0]).toBe(0);
          expect(at.at(-1)).toBe(values.length - 1);
          expect(at.every((i, k) => k === 0 || i > at[k - 1]!)).toBe(true);
          const kept = at.map((i) => values[i]!);
          expect(Math.max(...kept)).toBe(Math.max(...values));
          expect(Math.min(...kept)).toBe(Math.min(...values));
        },
      ),
    );
  });
});
