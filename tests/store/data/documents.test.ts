/** @file One rule for the texts of all formats: what is a document, what is left out, what is refused. */
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';
import { parquetFixtures, readDocuments, sampleTexts, tokenize, writeTextFile } from './samples.ts';

const records = [{ text: 'one' }, { text: '' }, { text: null }, { other: 1 }, { text: 'two\n' }];
const formats: Readonly<Record<string, string>> = {
  jsonl: records.map((record) => JSON.stringify(record)).join('\n'),
  ndjson: records.map((record) => `${JSON.stringify(record)}\r\n`).join(''),
  json: JSON.stringify(records, null, 2),
};

describe('readDocuments', () => {
  it.each(Object.entries(formats))('leaves out and counts what has no text: .%s', async (extension, text) => {
    for (const [name, content] of [
      [extension, text],
      [`${extension}.zst`, zstdCompressSync(text)],
    ] as const) {
      const leftOut = { missing: 0, empty: 0 };
      expect(await readDocuments(writeTextFile(content, name), undefined, leftOut)).toEqual(['one', 'two\n']);
      expect(leftOut).toEqual({ missing: 1, empty: 2 });
    }
  });

  it('counts the nulls and empty texts of .parquet alike', async () => {
    const leftOut = { missing: 0, empty: 0 };
    expect(await readDocuments(join(parquetFixtures, 'zstd.parquet'), undefined, leftOut)).toEqual(
      sampleTexts,
    );
    expect(leftOut.missing).toBe(0);
    expect(leftOut.empty).toBeGreaterThan(0);
  });

  it('reads lists of objects by the field that is chosen, and says which there are', async () => {
    const alpaca = JSON.stringify([{ instruction: 'Say it', input: '', output: 'It.' }]);
    expect(await readDocuments(writeTextFile(alpaca, 'json'), 'output')).toEqual(['It.']);
    const { message } = await expectAppError('data/no-column', () =>
      readDocuments(writeTextFile(alpaca, 'json')),
    );
    expect(message).toContain('--field; there are instruction, input, output.');
  });

  it('reads lists and lines of texts', async () => {
    expect(await readDocuments(writeTextFile('["a", "b"]', 'json'))).toEqual(['a', 'b']);
    expect(await readDocuments(writeTextFile('"a"\n"b"', 'jsonl'))).toEqual(['a', 'b']);
  });

  it.each([
    ['{"text": 7}', '"text" is a number, not text'],
    ['{"text": ["a"]}', '"text" is a list, not text'],
    ['{"text": {"a": 1}}', '"text" is an object, not text'],
    ['7', 'it is a number, not an object'],
    ['null', 'it is null, not an object'],
  ])('refuses the line %s', async (line, why) => {
    const path = writeTextFile(`{"text": "a"}\n${line}\n`, 'jsonl');
    const { message, detail } = await expectAppError('data/bad-line', () => readDocuments(path));
    expect(message).toContain(why);
    expect(detail).toMatchObject({ line: 2 });
  });

  it('refuses an object around the list, with what to do', async () => {
    const path = writeTextFile(JSON.stringify({ version: 1, data: records }), 'json');
    const { message } = await expectAppError('data/no-column', () => readDocuments(path));
    expect(message).toContain('there are version, data');
    await expectAppError('data/bad-line', () => readDocuments(path, 'data'));
  });

  it('keeps escaped characters of JSON, and replaces lone surrogates', async () => {
    const path = writeTextFile('{"text":"a\\u0000\\ud800\\ud83c\\udf89"}', 'jsonl');
    expect(await readDocuments(path)).toEqual(['a\0\ufffd🎉']);
  });

  it('reads any other file as one document', async () => {
    expect(await readDocuments(writeTextFile('# a\n\nb', 'md'))).toEqual(['# a\n\nb']);
    expect(await readDocuments(writeTextFile('', 'txt'))).toEqual([]);
  });
});

describe('tokenizeFiles', () => {
  it('says how many records were left out, also from the cache and when none remain', async () => {
    const path = writeTextFile(formats['jsonl']!, 'jsonl');
    for (const cached of [false, true])
      expect(await tokenize([path])).toMatchObject({
        cached,
        documents: 2,
        leftOut: { missing: 1, empty: 2 },
      });
    const { message } = await expectAppError('data/empty', () =>
      tokenize([writeTextFile('{"text":""}\n{"text":null}\n', 'jsonl')]),
    );
    expect(message).toContain('2 records without text were left out');
  });

  it('chooses the files of a folder by their format', async () => {
    const dir = freshFolder();
    cpSync(writeTextFile(formats['json']!, 'json'), join(dir, 'train.json'));
    cpSync(writeTextFile('{}', 'json'), join(dir, 'dataset_info.json'));
    cpSync(writeTextFile('notes', 'md'), join(dir, 'README.md'));
    expect((await tokenize([dir])).documents).toBe(2);
    cpSync(writeTextFile('{"text":"lines come first"}', 'jsonl'), join(dir, 'train.jsonl'));
    expect((await tokenize([dir])).documents).toBe(1);
    expect(readFileSync(join(dir, 'README.md'), 'utf8')).toBe('notes');
  });
});
