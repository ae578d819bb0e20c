import { describe, expect, it } from 'vitest';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatEnergy,
  formatFactor,
  formatFlops,
  formatInteger,
  formatMass,
  formatMoney,
  formatNumber,
  formatPercent,
  formatQuantity,
  formatUnit,
  formatRange,
  formatRoughDuration,
} from '../../src-main/base/format.ts';

describe('counts and sizes', () => {
  it.each([
    [0, '0'],
    [999, '999'],
    [1000, '1.00 k'],
    [12_345, '12.3 k'],
    [260_032, '260 k'],
    [999_600, '1.00 M'],
    [999_950, '1.00 M'],
    [1_234_567, '1.23 M'],
    [13_190_000, '13.2 M'],
    [7e9, '7.00 B'],
    [1.5e12, '1.50 T'],
    [-2500, '−2.50 k'],
    [12.345, '12.3'],
    [Number.NaN, '–'],
  ])('formats the count %d as %s', (value, text) => {
    expect(formatCount(value)).toBe(text);
  });

  it('adds a plural s to a noun', () => {
    expect([1, 2, 1234].map((n) => formatQuantity(n, 'file'))).toEqual(['1 file', '2 files', '1.23 k files']);
  });

  it('writes a unit beside 1 in the singular', () => {
    const units = ['batches', 'steps', 'standard deviations', 'GB', 'US$', 'ms'];
    const singular = ['batch', 'step', 'standard deviation', 'GB', 'US$', 'ms'];
    expect(units.map((unit) => formatUnit(1, unit))).toEqual(singular);
    expect(units.map((unit) => formatUnit(0, unit))).toEqual(units);
  });

  it('groups every digit of a whole number', () => {
    expect(formatInteger(1_045_632)).toBe('1\u202f045\u202f632');
  });

  it('formats bytes and FLOPs', () => {
    expect([0, 1500, 3.89e6, 1_048_576].map(formatBytes)).toEqual(['0 B', '1.50 kB', '3.89 MB', '1.05 MB']);
    expect(formatFlops(2.1e12)).toBe('2.10 TFLOP');
  });
});

describe('durations', () => {
  it.each([
    [0.02, '20 ms'],
    [0.42, '0.4 s'],
    [1.25, '1.3 s'],
    [38.2, '38 s'],
    [59.9, '1 min 00 s'],
    [61, '1 min 01 s'],
    [250, '4 min 10 s'],
    [3599.6, '1 h 00 min'],
    [3700, '1 h 02 min'],
    [11_100, '3 h 05 min'],
    [90_000, '1 d 01 h'],
    [187_200, '2 d 04 h'],
    [Number.NaN, '–'],
  ])('formats %d seconds as %s', (value, text) => {
    expect(formatDuration(value)).toBe(text);
  });

  it.each([
    [0.02, '20 ms'],
    [59, '59 s'],
    [60, '1 min'],
    [90, '1.5 min'],
    [780, '13 min'],
    [3599, '1 h'],
    [8640, '2.4 h'],
    [170_000, '47 h'],
    [172_800, '2 d'],
    [8_640_000, '100 d'],
    [Infinity, '–'],
  ])('formats an estimate of %d seconds as %s', (value, text) => {
    expect(formatRoughDuration(value)).toBe(text);
  });
});

describe('money, energy and mass', () => {
  it('does not print less than a cent as zero', () => {
    expect([0, 0.0004, 0.02, 1.239, 99.999, 1234.5].map(formatMoney)).toEqual([
      '$0',
      '< $0.01',
      '$0.02',
      '$1.24',
      '$100',
      '$1\u202f235',
    ]);
  });

  it('formats kilowatt-hours and grams', () => {
    expect([0, 1e-9, 0.0004, 0.0121, 12.345, 1234].map(formatEnergy)).toEqual([
      '0 Wh',
      '< 0.01 Wh',
      '0.40 Wh',
      '12.1 Wh',
      '12.3 kWh',
      '1.23 MWh',
    ]);
    expect([5.4, 54_321, 2.5e6].map(formatMass)).toEqual(['5.40 g', '54.3 kg', '2.50 t']);
  });
});

describe('formatRange', () => {
  it.each([
    [780, 2280, '13–38 min'],
    [50, 120, '50 s – 2 min'],
    [60, 60, '1 min'],
  ])('formats %d to %d seconds as %s', (low, high, text) => {
    expect(formatRange({ low, high }, formatRoughDuration)).toBe(text);
  });

  it('writes a currency sign once, and leaves out an end that is next to nothing', () => {
    expect(formatRange({ low: 0.12, high: 0.34 }, formatMoney)).toBe('$0.12–0.34');
    expect(formatRange({ low: 0.001, high: 0.34 }, formatMoney)).toBe('up to $0.34');
    expect(formatRange({ low: 0.001, high: 0.002 }, formatMoney)).toBe('< $0.01');
  });

  it('writes a common prefix once', () => {
    expect(formatRange({ low: 1.23e6, high: 3.4e6 }, formatCount)).toBe('1.23–3.40 M');
    expect(formatRange({ low: 900, high: 1100 }, formatCount)).toBe('900 – 1.10 k');
  });
});

it('formats measured values with a number of significant digits', () => {
  expect([0, 2.34567, 11.17, 1.2e-5, -3.4e-12, 1234.5, 0.25, 0.0031].map((v) => formatNumber(v))).toEqual([
    '0',
    '2.346',
    '11.17',
    '1.20e-5',
    '−3.40e-12',
    '1235',
    '0.2500',
    '0.00310',
  ]);
});

it('writes a minus sign, not a hyphen, before every number', () => {
  expect([-0.0243, -12.3, -2e-5].map((value) => formatNumber(value, 3))).toEqual([
    '−0.0243',
    '−12.3',
    '−2.0e-5',
  ]);
});

it('formats factors and shares', () => {
  expect([0.5, 2, 0.25, Math.SQRT1_2].map(formatFactor)).toEqual(['×½', '×2', '×¼', '×0.7071']);
  expect(formatPercent(0.5)).toBe('50.0 %');
});
