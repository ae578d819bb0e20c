import fc from 'fast-check';
import { expect, it } from 'vitest';
import { thinner } from '../../src-main/train/thinning.ts';

const kept = (values: readonly number[], most: number) => {
  const t = thinner<number>(most, (x) => x);
  for (const v of values) t.take(v);
  return t.kept();
};

it('keeps order, both ends, the lowest and the highest of all, and no more than it may', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ noNaN: true }), { minLength: 1, maxLength: 2000 }),
      fc.integer({ min: 8, max: 200 }),
      (values, most) => {
        const found = kept(values, most);
        expect(found.map(({ at }) => at)).toEqual([...found.map(({ at }) => at)].sort((a, b) => a - b));
        expect(found.every(({ at, point }) => Object.is(values[at], point))).toBe(true);
        expect([found[0]!.at, found.at(-1)!.at]).toEqual([0, values.length - 1]);
        expect(Math.min(...found.map((f) => f.point))).toBe(Math.min(...values));
        expect(Math.max(...found.map((f) => f.point))).toBe(Math.max(...values));
        expect(found.length).toBeLessThanOrEqual(most + 6);
        if (values.length <= most / 2) expect(found).toHaveLength(values.length);
      },
    ),
  );
});

it('loses no spike anywhere, and spreads what it keeps', () => {
  const values = Array.from({ length: 100_000 }, (_, i) => (i % 9973 === 0 ? 50 : Math.sin(i / 1000)));
  const found = kept(values, 1000);
  for (let i = 0; i < values.length; i += 9973) expect(found.some(({ at }) => at === i)).toBe(true);
  const gaps = found.slice(1).map(({ at }, i) => at - found[i]!.at);
  expect(Math.max(...gaps)).toBeLessThan(1000);
});
