import { expect, it } from 'vitest';
import {
  baseName,
  bytes,
  count,
  duration,
  exact,
  freePath,
  joined,
  measured,
  percent,
  times,
} from '../../src-renderer/format.ts';

it('counts and bytes keep three digits', () => {
  expect([0, 999, 1000, 12_345, 999_950, 1_234_567, 7e9].map(count)).toEqual([
    '0',
    '999',
    '1.00 k',
    '12.3 k',
    '1.00 M',
    '1.23 M',
    '7.00 B',
  ]);
  expect([0, 1500, 3.89e6].map(bytes)).toEqual(['0 B', '1.50 kB', '3.89 MB']);
  expect(exact(1_045_632)).toBe('1\u202f045\u202f632');
});
it('durations', () => {
  expect([0.02, 1.25, 59.4, 61, 3599.6, 3700, 90_000].map(duration)).toEqual([
    '20 ms',
    '1.3 s',
    '59 s',
    '1 min 01 s',
    '1 h 00 min',
    '1 h 02 min',
    '1 d 01 h',
  ]);
  expect(duration(Number.NaN)).toBe('–');
});
it('measured values keep the digits they deserve', () => {
  expect([0, 2.34567, 11.17, 1.2e-5, -3.4e-12, 1234.5, 0.25, 0.0031].map((v) => measured(v))).toEqual([
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
it('factors read as people write them', () => {
  expect([0.5, 2, 0.25, Math.SQRT1_2].map(times)).toEqual(['×½', '×2', '×¼', '×0.7071']);
  expect(percent(0.5)).toBe('50.0 %');
});
it('paths of either system', () => {
  expect(baseName('/a/b/')).toBe('b');
  expect(baseName('C:\\a\\b')).toBe('b');
  expect(joined('C:\\a\\', 'b', 'c')).toBe('C:\\a\\b\\c');
  expect(joined('/a/', 'b')).toBe('/a/b');
});
it('freePath finds a name that is not taken', () => {
  expect(freePath('/a/b', [])).toBe('/a/b');
  expect(freePath('/a/b', ['b', 'b-2'])).toBe('/a/b-3');
});
