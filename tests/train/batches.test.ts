import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  drawsOf,
  heldOutStarts,
  partsOf,
  trainTokensIn,
  windowsIn,
  windowStarts,
} from '../../src-main/train/batches.ts';

const one = (tokens: number) => partsOf([{ tokens, weight: 1 }], 0, 8);

describe('batches', () => {
  it('of one text visit every window once an epoch, each epoch in another order', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 9, max: 3000 }),
        fc.integer({ min: 1, max: 7 }),
        fc.nat(),
        (tokens, microBatch, seed) => {
          const windows = windowsIn(tokens, 8);
          const all = Array.from({ length: Math.ceil((2 * windows) / microBatch) }, (_, n) =>
            windowStarts(n, { microBatch, contextLength: 8, seed, parts: one(tokens) }),
          ).flat();
          const wanted = Array.from({ length: windows }, (_, i) => i * 8);
          const sorted = (xs: readonly number[]): number[] => [...xs].sort((a, b) => a - b);
          expect(sorted(all.slice(0, windows))).toEqual(wanted);
          expect(sorted(all.slice(windows, 2 * windows))).toEqual(wanted);
          if (windows > 20) expect(all.slice(0, windows)).not.toEqual(all.slice(windows, 2 * windows));
        },
      ),
      { numRuns: 50 },
    );
  });

  it('depend on nothing but the seed and their number: any batch can be made first', () => {
    const how = {
      microBatch: 4,
      contextLength: 8,
      seed: 3,
      parts: partsOf(
        [
          { tokens: 500, weight: 1 },
          { tokens: 4000, weight: 2 },
        ],
        0.1,
        8,
      ),
    };
    const all = Array.from({ length: 600 }, (_, n) => windowStarts(n, how));
    expect(windowStarts(577, how)).toEqual(all[577]);
    expect(windowStarts(577, { ...how, seed: 4 })).not.toEqual(all[577]);
    const flat = { ...how, microBatch: 1 };
    expect([0, 1, 2, 3].flatMap((i) => windowStarts(4 * 577 + i, flat))).toEqual(all[577]);
  });

  it('of several texts keep their weights, stay in their text, and visit each window of a text as often as its others', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            tokens: fc.integer({ min: 40, max: 5000 }),
            weight: fc.double({ min: 0.05, max: 10, noNaN: true }),
          }),
          { minLength: 2, maxLength: 5 },
        ),
        fc.nat(),
        (texts, seed) => {
          const parts = partsOf(texts, 0.05, 8);
          const draws = 2 * 1024;
          const starts = Array.from({ length: draws / 8 }, (_, n) =>
            windowStarts(n, { microBatch: 8, contextLength: 8, seed, parts }),
          ).flat();
          const sum = texts.reduce((n, t) => n + t.weight, 0);
          for (const { start, train, weight } of parts) {
            const own = starts.filter((s) => s >= start && s < start + train);
            const windows = windowsIn(train, 8);
            expect(Math.abs(own.length / draws - weight / sum)).toBeLessThanOrEqual(parts.length / 1024);
            expect(own.every((s) => (s - start) % 8 === 0 && s + 9 <= start + train)).toBe(true);
            const visits = [...Map.groupBy(own, (s) => s).values()].map((of) => of.length);
            const least = own.length < windows || visits.length < windows ? 0 : Math.min(...visits);
            expect(Math.max(0, ...visits) - least).toBeLessThanOrEqual(1);
          }
          expect(
            parts.reduce(
              (n, { start, train }) => n + starts.filter((s) => s >= start && s < start + train).length,
              0,
            ),
          ).toBe(draws);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('share out a round exactly, and leave no text out', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1e-9, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 40 }),
        (weights) => {
          const draws = drawsOf(weights);
          expect(draws.reduce((a, b) => a + b, 0)).toBe(1024);
          expect(Math.min(...draws)).toBeGreaterThanOrEqual(1);
        },
      ),
    );
  });
});

describe('held-out text', () => {
  it('is the end of every text, and no window of it is trained on', () => {
    const parts = partsOf(
      [
        { tokens: 1000, weight: 1 },
        { tokens: 3000, weight: 1 },
      ],
      0.1,
      8,
    );
    const starts = heldOutStarts(parts, 8, 64);
    expect(parts).toMatchObject([
      { start: 0, train: 900, heldOut: 100 },
      { start: 1000, train: 2700, heldOut: 300 },
    ]);
    expect(trainTokensIn(parts)).toBe(3600);
    expect(starts.filter((s) => s < 1000)).toHaveLength(12);
    expect(starts).toHaveLength(49);
    for (const s of starts)
      expect(
        parts.some(({ start, train, heldOut }) => s >= start + train && s + 9 <= start + train + heldOut),
      ).toBe(true);
    const few = heldOutStarts(parts, 8, 7);
    expect(few).toHaveLength(7);
    expect(new Set(few).size).toBe(7);
    expect(heldOutStarts(partsOf([{ tokens: 1000, weight: 1 }], 0, 8), 8, 64)).toEqual([]);
  });
});
