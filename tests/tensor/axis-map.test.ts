import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  listCopies,
  computeCoverage,
  hasNew,
  isIdentity,
  keep,
  pad,
  replicate,
  scatter,
  listSources,
  tile,
  type AxisMap,
} from '../../src-main/tensor/axis-map.ts';

const size = fc.integer({ min: 1, max: 40 });
const maps: Readonly<Record<string, fc.Arbitrary<AxisMap>>> = {
  keep: size.map(keep),
  tile: fc.tuple(size, fc.nat(100)).map(([n, more]) => tile(n, n + more)),
  pad: fc.tuple(size, fc.nat(100)).map(([n, more]) => pad(n, n + more)),
  scatter: fc.tuple(size, fc.integer({ min: 2, max: 5 })).map(([n, k]) => scatter(2 * n, 2 * n * k)),
  replicate: size.chain((n) =>
    fc.array(fc.nat(n - 1), { minLength: 1, maxLength: 60 }).map((more) => replicate(n, more)),
  ),
};

describe.each(Object.entries(maps))('%s', (_, map) => {
  it('contains each old entry as often as its count, each time with another copy number', () => {
    fc.assert(
      fc.property(map, (m) => {
        const from = listSources(m);
        const copy = listCopies(m);
        const seen = Array.from({ length: m.from }, (): number[] => []);
        from.forEach((old, i) => {
          if (old >= 0) seen[old]!.push(copy[i]!);
          else expect(copy[i]).toBe(-1);
        });
        seen.forEach((copies, old) => {
          expect(copies.toSorted((a, b) => a - b)).toEqual(
            Array.from({ length: m.counts?.[old] ?? m.copies }, (__, i) => i),
          );
          expect(copies.length).toBeLessThanOrEqual(m.copies);
        });
        expect(computeCoverage(m)).toBeCloseTo(from.filter((old) => old >= 0).length / m.to, 12);
        expect(hasNew(m)).toBe(from.includes(-1));
        expect(
          m.pieces.every((p, i) => i === 0 || p.at >= m.pieces[i - 1]!.at + m.pieces[i - 1]!.length),
        ).toBe(true);
      }),
    );
  });
});

it('scatter keeps rotary pairs together, each with its frequency', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 2, max: 5 }), (half, k) => {
      const from = listSources(scatter(2 * half, 2 * half * k));
      for (let i = 0; i < half; i++) {
        expect(from[k * i]).toBe(i);
        expect(from[k * i + half * k]).toBe(i + half);
      }
    }),
  );
});

it('isIdentity is true only for a map that changes nothing', () => {
  expect(isIdentity(keep(3))).toBe(true);
  for (const map of [tile(3, 6), pad(3, 4), scatter(4, 8), replicate(3, [1])])
    expect(isIdentity(map)).toBe(false);
});
