import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findFlag, flagOf, readData, readPairs, readSizes } from '../../../src-main/entry/node/arguments.ts';
import { freshFolder } from '../../support/temporary.ts';

const usage = expect.objectContaining({ code: 'usage' }) as Error;

describe('readData', () => {
  it('reads paths with and without weights', () => {
    expect(readData(['a.txt', 'b'])).toEqual({ data: [resolve('a.txt'), resolve('b')] });
    expect(readData(['a.txt=3', 'books/*.txt', 'c=.5'])).toEqual({
      data: [resolve('a.txt'), resolve('books/*.txt'), resolve('c')],
      weights: [3, 1, 0.5],
    });
  });

  it('takes a path that exists literally, such as a partition by year', () => {
    const year = join(freshFolder('fineweb'), 'year=2024');
    mkdirSync(year);
    expect(readData([year])).toEqual({ data: [year] });
    expect(readData([`${year}=2`, 'b'])).toEqual({ data: [year, resolve('b')], weights: [2, 1] });
  });
});

describe('readSizes', () => {
  it('reads numbers by name', () => {
    expect(readSizes('--to', 'hidden=1k, ffn=4096')).toEqual({ hidden: 1000, ffn: 4096 });
    expect(readSizes('--times', 'hidden=1.5')).toEqual({ hidden: 1.5 });
  });

  it.each(['', 'hidden', 'hidden=0', 'hidden=2=3', 'hidden=2,hidden=3'])('refuses "%s"', (text) => {
    expect(() => readSizes('--times', text)).toThrow(usage);
  });

  it('refuses a fraction where whole numbers are needed', () => {
    expect(() => readSizes('--to', 'hidden=1.5', { whole: true })).toThrow(usage);
  });
});

describe('readPairs', () => {
  it('reads numbers and texts by name', () => {
    expect(readPairs('--option', ['noise=10', 'order=last'])).toEqual({ noise: 10, order: 'last' });
    expect(() => readPairs('--option', ['noise'])).toThrow(usage);
  });
});

describe('findFlag', () => {
  it('finds the value by the current or the former name', () => {
    expect(flagOf('microBatch')).toBe('--micro-batch');
    const current = { flag: '--micro-batch', text: '2', isFormer: false };
    expect(findFlag({ microBatch: '2' }, 'microBatch', 'batch')).toEqual(current);
    const former = { flag: '--batch', text: '2', isFormer: true };
    expect(findFlag({ batch: '2' }, 'microBatch', 'batch')).toEqual(former);
    expect(findFlag({}, 'microBatch', 'batch')).toBeUndefined();
  });

  it('refuses both names at once', () => {
    expect(() => findFlag({ microBatch: '2', batch: '2' }, 'microBatch', 'batch')).toThrow(
      /--batch is the former name of --micro-batch/,
    );
  });
});
