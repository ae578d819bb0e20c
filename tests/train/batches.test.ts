import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  buffersAtOnce,
  drawsOf,
  heldOutStarts,
  partsOf,
  streamedRanges,
  trainTokensIn,
  windowsIn,
  windowStarts,
  type TextPart,
} from '../../src-main/train/batches.ts';

const contextLength = 8;
/** Windows that are drawn before the weights of several texts are met exactly. */
const drawsPerRound = 1024;

const oneText = (tokens: number) => partsOf([{ tokens, weight: 1 }], 0, contextLength);
const range = (length: number): readonly number[] => Array.from({ length }, (_, i) => i);
const sortNumbers = (values: readonly number[]): readonly number[] => [...values].sort((a, b) => a - b);

describe('windowStarts', () => {
  it('visits every window of one text once an epoch, each epoch in another order', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 9, max: 3000 }),
        fc.integer({ min: 1, max: 7 }),
        fc.nat(),
        (tokens, microBatch, seed) => {
          const windows = windowsIn(tokens, contextLength);
          const order = { microBatch, contextLength, seed, parts: oneText(tokens) };
          const batches = Math.ceil((2 * windows) / microBatch);
          const starts = range(batches).flatMap((n) => windowStarts(n, order));
          const firstEpoch = starts.slice(0, windows);
          const secondEpoch = starts.slice(windows, 2 * windows);
          const everyWindow = range(windows).map((i) => i * contextLength);
          expect(sortNumbers(firstEpoch)).toEqual(everyWindow);
          expect(sortNumbers(secondEpoch)).toEqual(everyWindow);
          if (windows > 20) expect(firstEpoch).not.toEqual(secondEpoch);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('depends only on the seed and the number of the batch', () => {
    const texts = [
      { tokens: 500, weight: 1 },
      { tokens: 4000, weight: 2 },
    ];
    const order = { microBatch: 4, contextLength, seed: 3, parts: partsOf(texts, 0.1, contextLength) };
    const batches = range(600).map((n) => windowStarts(n, order));
    expect(windowStarts(577, order)).toEqual(batches[577]);
    expect(windowStarts(577, { ...order, seed: 4 })).not.toEqual(batches[577]);
    const single = { ...order, microBatch: 1 };
    expect(range(4).flatMap((i) => windowStarts(4 * 577 + i, single))).toEqual(batches[577]);
  });

  it('draws from several texts by their weights, and equally often each window of a text', () => {
    const text = fc.record({
      tokens: fc.integer({ min: 40, max: 5000 }),
      weight: fc.double({ min: 0.05, max: 10, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(text, { minLength: 2, maxLength: 5 }), fc.nat(), (texts, seed) => {
        const parts = partsOf(texts, 0.05, contextLength);
        const order = { microBatch: 8, contextLength, seed, parts };
        const draws = 2 * drawsPerRound;
        const starts = range(draws / 8).flatMap((n) => windowStarts(n, order));
        const totalWeight = texts.reduce((sum, { weight }) => sum + weight, 0);
        let drawn = 0;
        for (const { start, train, weight } of parts) {
          const own = starts.filter((s) => s >= start && s < start + train);
          drawn += own.length;
          const windows = windowsIn(train, contextLength);
          const error = Math.abs(own.length / draws - weight / totalWeight);
          expect(error).toBeLessThanOrEqual(parts.length / drawsPerRound);
          const isWindow = (s: number): boolean =>
            (s - start) % contextLength === 0 && s + contextLength + 1 <= start + train;
          expect(own.every(isWindow)).toBe(true);
          const visits = [...Map.groupBy(own, (s) => s).values()].map((same) => same.length);
          const fewest = own.length < windows || visits.length < windows ? 0 : Math.min(...visits);
          expect(Math.max(0, ...visits) - fewest).toBeLessThanOrEqual(1);
        }
        expect(drawn).toBe(draws);
      }),
      { numRuns: 40 },
    );
  });
});

describe('drawsOf', () => {
  it('adds up to one round and leaves no text out', () => {
    const weight = fc.double({ min: 1e-9, max: 1e9, noNaN: true });
    fc.assert(
      fc.property(fc.array(weight, { minLength: 1, maxLength: 40 }), (weights) => {
        const draws = drawsOf(weights);
        expect(draws.reduce((a, b) => a + b, 0)).toBe(drawsPerRound);
        expect(Math.min(...draws)).toBeGreaterThanOrEqual(1);
      }),
    );
  });
});

describe('held-out text', () => {
  const texts = [
    { tokens: 1000, weight: 1 },
    { tokens: 3000, weight: 1 },
  ];
  const parts = partsOf(texts, 0.1, contextLength);

  it('is the end of every text', () => {
    expect(parts).toMatchObject([
      { start: 0, train: 900, heldOut: 100 },
      { start: 1000, train: 2700, heldOut: 300 },
    ]);
    expect(trainTokensIn(parts)).toBe(3600);
  });

  it('is read in windows that contain no training text', () => {
    const starts = heldOutStarts(parts, contextLength, 64);
    expect(starts.filter((s) => s < 1000)).toHaveLength(12);
    expect(starts).toHaveLength(49);
    for (const s of starts) {
      const isHeldOut = parts.some(({ start, train, heldOut }) => {
        const first = start + train;
        return s >= first && s + contextLength + 1 <= first + heldOut;
      });
      expect(isHeldOut).toBe(true);
    }
  });

  it('is read in different windows when only a few are wanted', () => {
    const starts = heldOutStarts(parts, contextLength, 7);
    expect(starts).toHaveLength(7);
    expect(new Set(starts).size).toBe(7);
  });

  it('does not exist with a held-out fraction of 0', () => {
    expect(heldOutStarts(oneText(1000), contextLength, 64)).toEqual([]);
  });
});

describe('a part without end', () => {
  const streamed: TextPart = { start: 0, train: 999, heldOut: 0, weight: 1, shuffleWindows: 32 };
  const order = { microBatch: 4, contextLength, seed: 7, parts: [streamed] };

  it('reads each window once, in random order within its buffers', () => {
    const starts = Array.from({ length: 40 }, (_, n) => windowStarts(n, order)).flat();
    const windows = starts.map((start) => start / contextLength);
    expect(windows.toSorted((a, b) => a - b)).toEqual(windows.map((_, i) => i));
    expect(windows).not.toEqual(windows.toSorted((a, b) => a - b));
    for (const [draw, window] of windows.entries())
      expect(Math.floor(window / 32)).toBe(Math.floor(draw / 32));
  });

  it.each([
    ['alone', [streamed]],
    ['in a mixture', [{ start: 1e6, train: 5000, heldOut: 0, weight: 3 }, streamed]],
    ['beside a validation text', [streamed, { start: 1e6, train: 0, heldOut: 100, weight: 0 }]],
  ] as const)('%s, reads only what its ranges say, and never before an earlier range', (_, parts) => {
    const mixed = { ...order, parts };
    const end = contextLength * 1e5;
    let least = 0;
    for (let n = 0; n < 2000; n += 3) {
      const [range] = streamedRanges(n, 3, mixed);
      expect(parts[range!.part]).toBe(streamed);
      expect(range!.start).toBeGreaterThanOrEqual(least);
      least = range!.start;
      const span = range!.end - range!.start - 1;
      expect(span / (32 * contextLength)).toBeLessThanOrEqual(buffersAtOnce(streamed, parts, 12));
      for (const start of [n, n + 1, n + 2].flatMap((m) => windowStarts(m, mixed))) {
        if (start >= end) continue;
        expect(start).toBeGreaterThanOrEqual(range!.start);
        expect(start + contextLength + 1).toBeLessThanOrEqual(range!.end);
      }
    }
  });
});
