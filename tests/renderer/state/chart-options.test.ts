import fc from 'fast-check';
import { expect, it } from 'vitest';
import { placeLabels, widthOfTicks } from '../../../src-renderer/state/chart-options.ts';

const room = { height: 10, top: 0, bottom: 100 };

it('leaves labels that do not overlap where they are', () => {
  expect(placeLabels([0, 20, 100], room)).toEqual([0, 20, 100]);
  expect(placeLabels([], room)).toEqual([]);
});

it('moves overlapping labels down, and up from the lower end of the chart', () => {
  expect(placeLabels([-5, 1, 30], room)).toEqual([0, 10, 30]);
  expect(placeLabels([50, 97, 99, 120], room)).toEqual([50, 80, 90, 100]);
});

it('never overlaps labels that have room, and keeps their order', () => {
  const heights = fc.array(fc.integer({ min: -50, max: 150 }), { maxLength: 8 });
  fc.assert(
    fc.property(heights, (all) => {
      const places = placeLabels(
        [...all].sort((a, b) => a - b),
        room,
      );
      for (const [i, place] of places.entries()) {
        expect(place).toBeGreaterThanOrEqual(room.top);
        expect(place).toBeLessThanOrEqual(room.bottom);
        if (i > 0) expect(place - places[i - 1]!).toBeGreaterThanOrEqual(room.height);
      }
    }),
  );
});

it('makes room for labels with more digits, and lines up the other charts', () => {
  expect(widthOfTicks([])).toBe(widthOfTicks(['1.20', '0.95']));
  expect(widthOfTicks(['2.736e-4', '0'])).toBeGreaterThan(widthOfTicks(['1.20']));
});
