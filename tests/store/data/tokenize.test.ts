import { appendFileSync, cpSync, readFileSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openTokens } from '../../../src-main/store/data/tokenize.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';
import {
  cacheDir,
  makeLines,
  parquetFixtures,
  sampleTexts,
  tokenize,
  tokenizerDir,
  writeTextFile,
} from './samples.ts';

describe('tokenizeFiles', () => {
  it('reuses tokens of the same content, tokenizer and vocabulary size', async () => {
    const path = writeTextFile(makeLines(30));
    const first = await tokenize([path]);
    utimesSync(path, 0, 0);
    expect(await tokenize([writeTextFile(makeLines(30))])).toEqual({ ...first, cached: true });
    appendFileSync(path, '!');
    expect((await tokenize([path])).cached).toBe(false);
    expect((await tokenize([path], { vocabSize: 70_000 })).folders).not.toEqual(first.folders);
    expect(readdirSync(cacheDir).some((name) => name.includes('partial'))).toBe(false);
  });

  it('returns the length of each item of the data, and caches each field separately', async () => {
    const dir = freshFolder();
    const options = { cacheDir: freePath('cache') };
    for (const codec of ['snappy', 'zstd'])
      cpSync(join(parquetFixtures, `${codec}.parquet`), join(dir, `${codec}.parquet`));
    writeFileSync(join(dir, 'plain.txt'), 'the thing in the hat');
    const both = await tokenize([join(dir, '*.parquet'), join(dir, 'plain.txt')], options);
    const one = await tokenize([join(dir, 'zstd.parquet')], options);
    expect(both.folders).toHaveLength(3);
    expect(both.lengths).toEqual([2 * one.tokens, both.tokens - 2 * one.tokens]);
    expect(both.documents).toBe(2 * sampleTexts.length + 1);
    expect(one.cached).toBe(true);
    const upperCase = await tokenize([join(dir, 'zstd.parquet')], { ...options, field: 'body' });
    expect(upperCase.cached).toBe(false);
    const tokens = await openTokens(both.folders);
    expect(tokens.length).toBe(both.tokens);
    tokens.close();
  });

  it('reports progress up to the size of all files', async () => {
    const files = [writeTextFile(makeLines(20_000)), writeTextFile(makeLines(10))];
    const progress: [number, number][] = [];
    await tokenize(files, {
      onProgress: (done, of) => {
        progress.push([done, of]);
      },
    });
    const total = files.reduce((n, file) => n + readFileSync(file).length, 0);
    expect(progress.every(([done, of], i) => of === total && done >= (progress[i - 1]?.[0] ?? 0))).toBe(true);
    expect(progress.at(-1)).toEqual([total, total]);
    expect(progress.length).toBeGreaterThan(3);
  });

  it('leaves nothing behind when it is cancelled', async () => {
    const stop = new AbortController();
    const own = freePath('cache');
    const work = tokenize([writeTextFile(makeLines(60_000))], {
      cacheDir: own,
      signal: stop.signal,
      onProgress: () => {
        stop.abort();
      },
    });
    await expectAppError('cancelled', () => work);
    expect(readdirSync(own)).toEqual([]);
    await expectAppError('cancelled', () => tokenize([writeTextFile('a')], { signal: stop.signal }));
  });

  it('refuses empty files, missing files, and a folder without data', async () => {
    await expectAppError('data/empty', () => tokenize([writeTextFile('')]));
    await expectAppError('data/empty', () => tokenize([writeTextFile('\n\n{"text":""}\n', 'jsonl')]));
    await expectAppError('file/not-found', () => tokenize([freePath('none.txt')]));
    await expectAppError('data/no-files', () => tokenize([tokenizerDir]));
  });

  it('passes on what a line of .jsonl is refused for', async () => {
    const notJson = writeTextFile('{"text":"a"}\n{"text":\n', 'jsonl');
    const noText = writeTextFile('{"text":"a"}\n\n{"text":["a"]}', 'jsonl');
    const first = await expectAppError('data/bad-line', () => tokenize([notJson]));
    expect(first.detail).toMatchObject({ line: 2 });
    const second = await expectAppError('data/bad-line', () => tokenize([noText]));
    expect(second.detail).toMatchObject({ line: 3 });
    await expectAppError('data/bad-line', () => tokenize([writeTextFile('null', 'jsonl')]));
  });

  it('refuses tokens beyond the rows of the embedding, and a folder without a tokenizer', async () => {
    const { message } = await expectAppError('checkpoint/bad-tokenizer', () =>
      tokenize([writeTextFile('über')], { vocabSize: 100 }),
    );
    expect(message).toContain('the embedding of the model has 100 rows');
    await expectAppError('checkpoint/no-tokenizer', () =>
      tokenize([writeTextFile('a')], { tokenizerDir: freshFolder() }),
    );
  });
});
