import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readDocuments as readParts } from '../../../src-main/store/data/documents.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';
import { parquetFixtures, readDocuments, sampleTexts } from './samples.ts';

describe('readParquetDocuments', () => {
  it.each(['none', 'snappy', 'gzip', 'zstd'])(
    'reads one document per row that has text, compressed with %s',
    async (codec) => {
      const path = join(parquetFixtures, `${codec}.parquet`);
      expect(await readDocuments(path)).toEqual(sampleTexts);
      expect(await readDocuments(path, 'body')).toEqual(sampleTexts.map((text) => text.toUpperCase()));
    },
  );

  it('refuses a missing column, a column without text, and a file that is cut off', async () => {
    const path = join(parquetFixtures, 'snappy.parquet');
    const cutOff = join(freshFolder(), 'cut-off.parquet');
    const { detail } = await expectAppError('data/no-column', () => readDocuments(path, 'content'));
    expect(detail).toMatchObject({ column: 'content', found: ['id', 'text', 'body', 'score'] });
    const score = await expectAppError('data/bad-line', () => readDocuments(path, 'score'));
    expect(score.message).toContain('row 1: its "score" is a number, not text');
    const bytes = readFileSync(path);
    for (const part of [bytes.subarray(0, bytes.length - 20), Buffer.from('PAR1'), Buffer.alloc(0)]) {
      writeFileSync(cutOff, part);
      await expectAppError('data/bad-parquet', () => readDocuments(cutOff));
    }
  });

  it('reports progress up to the size of the file', async () => {
    const progress: number[] = [];
    const path = join(parquetFixtures, 'zstd.parquet');
    const parts = readParts(path, { onBytes: (done) => progress.push(done) });
    for await (const part of parts) void part;
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(progress.at(-1)).toBe(readFileSync(path).length);
  });
});

describe('a damaged Parquet file', () => {
  /** The file of a codec with other bytes at some places. */
  const damage = (codec: string, changes: Readonly<Record<number, number>>): string => {
    const bytes = readFileSync(join(parquetFixtures, `${codec}.parquet`));
    for (const [at, byte] of Object.entries(changes)) bytes[Number(at)] = byte;
    const path = join(freshFolder(), 'damaged.parquet');
    writeFileSync(path, bytes);
    return path;
  };

  it('ends, though a gzip page has a code of no bits', async () => {
    await expectAppError('data/bad-parquet', () => readDocuments(damage('gzip', { 140: 85 })));
  });

  it('is refused when its metadata lacks a field that the library takes for granted', async () => {
    await expectAppError('data/bad-parquet', () => readDocuments(damage('snappy', { 1227: 12 })));
  });
});
