import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createThinner } from '../../src-main/train/thinning.ts';

function thin(values: readonly number[], most: number) {
  const thinner = createThinner<number>(most, (value) => value);
  for (const value of values) thinner.add(value);
  return thinner.points();
}

describe('createThinner', () => {
  it('keeps the order, both ends and the extremes within its limit', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ noNaN: true }), { minLength: 1, maxLength: 2000 }),
        fc.integer({ min: 8, max: 200 }),
        (values, most) => {
          const kept = thin(values, most);
          const indices = kept.map(({ index }) => index);
          const points = kept.map(({ point }) => point);
          expect(indices).toEqual([...indices].sort((a, b) => a - b));
          expect(kept.every(({ index, point }) => Object.is(values[index], point))).toBe(true);
          expect([indices[0], indices.at(-1)]).toEqual([0, values.length - 1]);
          expect(Math.min(...points)).toBe(Math.min(...values));
          expect(Math.max(...points)).toBe(Math.max(...values));
          expect(kept.length).toBeLessThanOrEqual(most + 6);
          if (values.length <= most / 2) expect(kept).toHaveLength(values.length);
        },
      ),
    );
  });

  it('keeps every spike and spreads the other points evenly', () => {
    const isSpike = (i: number): boolean => i % 9973 === 0;
    const values = Array.from({ length: 100_000 }, (_, i) => (isSpike(i) ? 50 : Math.sin(i / 1000)));
    const indices = thin(values, 1000).map(({ index }) => index);
    const spikes = values.flatMap((_, i) => (isSpike(i) ? [i] : []));
    expect(spikes.filter((i) => !indices.includes(i))).toEqual([]);
    const gaps = indices.slice(1).map((index, i) => index - indices[i]!);
    expect(Math.max(...gaps)).toBeLessThan(1000);
  });
});
