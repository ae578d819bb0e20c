import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { filesOf, formatOf } from '../../../src-main/store/data/sources.ts';
import { documentPieces } from '../../../src-main/store/data/text.ts';
import { openTokens, tokenizeFiles } from '../../../src-main/store/data/tokens.ts';
import { refusal } from '../../support/refusal.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';
import { tinyVocab, writeTinyTokenizer } from '../../support/tiny.ts';

const fixtures = join(import.meta.dirname, '../../fixtures/parquet');
const texts = ['the first', 'línea dos\n\nwith breaks', '🎉 a cat sat', 'the last one'];

/** A folder with these files; content is the name unless given. */
function folderOf(files: readonly string[]): string {
  const dir = freshFolder();
  for (const file of files) {
    mkdirSync(join(dir, dirname(file)), { recursive: true });
    writeFileSync(join(dir, file), file);
  }
  return dir;
}
const namesOf = async (dir: string, path = dir): Promise<string[]> =>
  (await filesOf(path)).map((file) => file.slice(dir.length + 1).replaceAll('\\', '/'));
const documentsOf = async (path: string, field?: string): Promise<string[]> => {
  const found: string[] = [];
  for await (const piece of documentPieces(path, () => undefined, { field })) {
    if (piece.first) found.push('');
    found[found.length - 1] += piece.text;
  }
  return found;
};

describe('what is named as data', () => {
  it('is a file, a pattern in the order of names, or a folder', async () => {
    const dir = folderOf(['b.txt', 'a.txt', 'notes/c.md', 'image.png', '.hidden.txt']);
    expect(await namesOf(dir, join(dir, 'b.txt'))).toEqual(['b.txt']);
    expect(await namesOf(dir, join(dir, '*.txt'))).toEqual(['a.txt', 'b.txt']);
    expect(await namesOf(dir, join(dir, '**/*.{md,txt}'))).toEqual(['a.txt', 'b.txt', 'notes/c.md']);
    expect(await namesOf(dir)).toEqual(['a.txt', 'b.txt', 'notes/c.md']);
  });

  it('of a dataset folder is its training split, without its README', async () => {
    const files = [
      'README.md',
      'data/train-00000-of-00002.parquet',
      'data/train-00001-of-00002.parquet',
      'data/validation-00000-of-00001.parquet',
      'data/test-00000-of-00001.parquet',
    ];
    expect(await namesOf(folderOf(files))).toEqual([
      'data/train-00000-of-00002.parquet',
      'data/train-00001-of-00002.parquet',
    ]);
    expect(await namesOf(folderOf(['README.md', 'train.jsonl', 'test.jsonl.gz']))).toEqual(['train.jsonl']);
    expect(await namesOf(folderOf(['x/part-0.jsonl.zst', 'x/part-1.jsonl.zst', 'LICENSE']))).toEqual([
      'x/part-0.jsonl.zst',
      'x/part-1.jsonl.zst',
    ]);
    expect(await namesOf(folderOf(['train/0.jsonl', 'eval/0.jsonl', 'restrain.jsonl']))).toEqual([
      'train/0.jsonl',
    ]);
  });

  it('is refused when it is nothing, Arrow, or several datasets at once', async () => {
    const several = folderOf(['de/train-0.parquet', 'en/train-0.parquet']);
    expect((await refusal('data/several-configs', () => filesOf(several))).detail).toMatchObject({
      names: ['de', 'en'],
    });
    expect(await namesOf(several, join(several, 'en'))).toEqual(['en/train-0.parquet']);
    await refusal('data/arrow', () => filesOf(folderOf(['state.json', 'data-00000-of-00001.arrow'])));
    await refusal('data/no-files', () => filesOf(folderOf(['a.png'])));
    await refusal('data/no-files', () => filesOf(join(freshFolder(), '*.txt')));
    await refusal('file/not-found', () => filesOf(join(freshFolder(), 'gone.txt')));
  });

  it('has a format that its compression does not hide', () => {
    expect(['a.JSONL.gz', 'b.txt.zst', 'c.parquet', 'd.gz', 'e'].map(formatOf)).toEqual([
      '.jsonl',
      '.txt',
      '.parquet',
      '',
      '',
    ]);
  });
});

describe('Parquet', () => {
  it.each(['none', 'snappy', 'gzip', 'zstd'])(
    'packed with %s gives a document a row, in the column named; rows without text give none',
    async (codec) => {
      const path = join(fixtures, `${codec}.parquet`);
      expect(await documentsOf(path)).toEqual(texts);
      expect(await documentsOf(path, 'body')).toEqual(texts.map((text) => text.toUpperCase()));
    },
  );

  it('is refused by name where it has no such column, a column that is no text, or is torn', async () => {
    const path = join(fixtures, 'snappy.parquet');
    const torn = join(freshFolder(), 'torn.parquet');
    expect((await refusal('data/no-column', () => documentsOf(path, 'content'))).detail).toMatchObject({
      column: 'content',
      found: ['id', 'text', 'body', 'score'],
    });
    await refusal('data/bad-parquet', () => documentsOf(path, 'score'));
    const bytes = readFileSync(path);
    for (const part of [bytes.subarray(0, bytes.length - 20), Buffer.from('PAR1'), Buffer.alloc(0)]) {
      writeFileSync(torn, part);
      await refusal('data/bad-parquet', () => documentsOf(torn));
    }
  });

  it('tells how much is read, to the end', async () => {
    const told: number[] = [];
    const path = join(fixtures, 'zstd.parquet');
    for await (const piece of documentPieces(path, (done) => {
      told.push(done);
    }))
      void piece;
    expect(told).toEqual([...told].sort((a, b) => a - b));
    expect(told.at(-1)).toBe(readFileSync(path).length);
  });
});

describe('packed text', () => {
  it.each([
    ['gz', gzipSync],
    ['zst', zstdCompressSync],
  ] as const)('.%s reads as the text in it; torn, it is refused', async (extension, pack) => {
    const lines = texts.map((text) => JSON.stringify({ text, body: 'other' })).join('\n');
    const dir = freshFolder();
    const path = join(dir, `a.jsonl.${extension}`);
    writeFileSync(path, pack(lines));
    expect(await documentsOf(path)).toEqual(texts);
    expect(await documentsOf(path, 'body')).toEqual(texts.map(() => 'other'));
    const torn = join(dir, `torn.txt.${extension}`);
    writeFileSync(torn, pack('x'.repeat(100_000)).subarray(0, 20));
    await refusal('file/unreadable', () => documentsOf(torn));
  });
});

describe('tokens of several sources', () => {
  it('know the length of each; a field has tokens of its own in the cache', async () => {
    const tokenizer = freshFolder();
    const dir = freshFolder();
    const cache = freePath('cache');
    writeTinyTokenizer(tokenizer);
    for (const codec of ['snappy', 'zstd'])
      cpSync(join(fixtures, `${codec}.parquet`), join(dir, `${codec}.parquet`));
    writeFileSync(join(dir, 'plain.txt'), 'the thing in the hat');
    const tokenize = (data: readonly string[], field?: string) =>
      tokenizeFiles({ data, field, tokenizer, vocab: tinyVocab, cache });
    const both = await tokenize([join(dir, '*.parquet'), join(dir, 'plain.txt')]);
    const one = await tokenize([join(dir, 'zstd.parquet')]);
    expect(both.folders).toHaveLength(3);
    expect(both.lengths).toEqual([2 * one.tokens, both.tokens - 2 * one.tokens]);
    expect(both.documents).toBe(2 * texts.length + 1);
    expect(one.cached).toBe(true);
    const upper = await tokenize([join(dir, 'zstd.parquet')], 'body');
    expect(upper.cached).toBe(false);
    const tokens = await openTokens(both.folders);
    expect(tokens.length).toBe(both.tokens);
    tokens.close();
  });
});
