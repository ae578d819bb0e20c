/** @file Widths and exponents of the coordinate check. */
import { describe, expect, it } from 'vitest';
import { brokenConstraints, dimsOf } from '../../../src-main/model/config.ts';
import { families } from '../../../src-main/model/families/index.ts';
import {
  coordinatesOf,
  exponentOf,
  largestExponent,
  widen,
} from '../../../src-main/train/tuning/coordinates.ts';
import { layoutLogChart } from '../../../src-main/train/tuning/log-chart.ts';
import { tinyConfig } from '../../support/tiny.ts';

describe('exponents', () => {
  const widths = [16, 32, 64];
  it.each([0, 0.5, 1, -0.5])('of scales that go as width^%d are exact', (power) => {
    expect(
      exponentOf(
        widths,
        widths.map((width) => 3 * width ** power),
      ),
    ).toBeCloseTo(power, 12);
  });

  it('are those of each activation, and the largest counts', () => {
    const scales = widths.map((width) => [1, width, 1 / width]);
    const found = coordinatesOf(['a', 'b', 'c'], widths, scales);
    expect(found.map(({ name, exponent }) => [name, Math.round(exponent)])).toEqual([
      ['a', 0],
      ['b', 1],
      ['c', -1],
    ]);
    expect(largestExponent(found)).toBeCloseTo(1, 12);
  });
});

describe.each([...families.values()])('a $id of another width', (family) => {
  const dims = dimsOf(family, tinyConfig(family.id));

  it('has heads of the same size and all sizes of its family', () => {
    const wider = widen(family, dims, 2, dims['layers']!)!;
    expect(wider['head_dim']).toBe(dims['head_dim']);
    expect(wider['hidden']).toBe(2 * dims['hidden']!);
    expect(brokenConstraints(family, wider)).toEqual([]);
    expect(Object.keys(wider)).toEqual(Object.keys(dims));
  });

  it('is not made where a size would not be whole', () => {
    expect(widen(family, dims, 1 / 64, 1)).toBeUndefined();
  });
});

describe('the layout of a chart', () => {
  const lines = [
    {
      name: 'a',
      points: [
        { x: 1e-4, y: 3 },
        { x: 1e-2, y: 2, isHollow: true },
        { x: 0, y: 1 },
      ],
    },
  ];
  it('spaces values by their logarithm, within the plot, and leaves out what has none', () => {
    const { lines: placed, plot, xTicks } = layoutLogChart(lines, { width: 400, height: 200 }, [1e-3])!;
    const [first, last] = placed[0]!.points;
    expect(placed[0]!.points).toHaveLength(2);
    expect(xTicks).toEqual([{ value: 1e-3, at: expect.closeTo((first!.x + last!.x) / 2, 9) }]);
    expect(last!.y).toBeGreaterThan(first!.y);
    expect(last!.isHollow).toBe(true);
    for (const { x, y } of placed[0]!.points) {
      expect(x).toBeGreaterThan(plot.left);
      expect(x).toBeLessThan(plot.right);
      expect(y).toBeGreaterThan(plot.top);
      expect(y).toBeLessThan(plot.bottom);
    }
  });

  it('marks a single value once', () => {
    const flat = [{ name: 'a', points: [1, 2, 4].map((x) => ({ x, y: 0.5 })) }];
    expect(layoutLogChart(flat, { width: 400, height: 200 })!.yTicks.map(({ value }) => value)).toEqual([
      0.5,
    ]);
  });

  it('is nothing without points', () => {
    expect(layoutLogChart([{ name: 'a', points: [] }], { width: 400, height: 200 })).toBeUndefined();
  });
});
