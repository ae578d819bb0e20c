import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createThinner } from '../../src-main/train/thinning.ts';

const kept = (values: readonly number[], most: number) => {
  const t = createThinner<number>(most, (x) => x);
  for (const v of values) t.add(v);
  return t.points();
};

it('keeps the order, both ends and the extremes within the limit', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ noNaN: true }), { minLength: 1, maxLength: 2000 }),
      fc.integer({ min: 8, max: 200 }),
      (values, most) => {
        const found = kept(values, most);
        expect(found.map(({ index }) => index)).toEqual(
          [...found.map(({ index }) => index)].sort((a, b) => a - b),
        );
        expect(found.every(({ index, point }) => Object.is(values[index], point))).toBe(true);
        expect([found[0]!.index, found.at(-1)!.index]).toEqual([0, values.length - 1]);
        expect(Math.min(...found.map((f) => f.point))).toBe(Math.min(...values));
        expect(Math.max(...found.map((f) => f.point))).toBe(Math.max(...values));
        expect(found.length).toBeLessThanOrEqual(most + 6);
        if (values.length <= most / 2) expect(found).toHaveLength(values.length);
      },
    ),
  );
});

it('keeps every spike and spreads the other points evenly', () => {
  const values = Array.from({ length: 100_000 }, (_, i) => (i % 9973 === 0 ? 50 : Math.sin(i / 1000)));
  const found = kept(values, 1000);
  for (let i = 0; i < values.length; i += 9973) expect(found.some(({ index }) => index === i)).toBe(true);
  const gaps = found.slice(1).map(({ index }, i) => index - found[i]!.index);
  expect(Math.max(...gaps)).toBeLessThan(1000);
});
