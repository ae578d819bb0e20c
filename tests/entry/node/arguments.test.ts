import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readData } from '../../../src-main/entry/node/arguments.ts';
import { freshFolder } from '../../support/temporary.ts';

describe('data as typed', () => {
  it('is a path, or a path and its weight', () => {
    expect(readData(['a.txt', 'b'])).toEqual({ data: [resolve('a.txt'), resolve('b')] });
    expect(readData(['a.txt=3', 'books/*.txt', 'c=.5'])).toEqual({
      data: [resolve('a.txt'), resolve('books/*.txt'), resolve('c')],
      weights: [3, 1, 0.5],
    });
  });

  it('is a path where it exists as it is typed, such as a partition by year', () => {
    const year = join(freshFolder('fineweb'), 'year=2024');
    mkdirSync(year);
    expect(readData([year])).toEqual({ data: [year] });
    expect(readData([`${year}=2`, 'b'])).toEqual({ data: [year, resolve('b')], weights: [2, 1] });
  });
});
