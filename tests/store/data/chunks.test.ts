import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  findChunkEnd,
  readDocumentChunks,
  splitIntoChunks,
  type TextChunk,
} from '../../../src-main/store/data/chunks.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { readDocuments, writeTextFile } from './samples.ts';

const arbitraryText = fc
  .array(
    fc.constantFrom(
      'the ',
      'x',
      '\n',
      '\n\n',
      ' ',
      '🎉',
      'y'.repeat(3000),
      'line\n'.repeat(500),
      '🎉'.repeat(9000),
      ' '.repeat(5000),
    ),
    { maxLength: 40 },
  )
  .map((parts) => parts.join(''));

describe('splitIntoChunks', () => {
  it('gives chunks that join to the text, are bounded and split no character', () => {
    fc.assert(
      fc.property(arbitraryText, (text) => {
        const chunks = [...splitIntoChunks(text)];
        expect(chunks.join('') === text).toBe(true);
        for (const chunk of chunks)
          expect(chunk.length > 0 && chunk.length <= 65_536 && chunk.isWellFormed()).toBe(true);
      }),
      { numRuns: 100 },
    );
  });
});

describe('readDocumentChunks', () => {
  it('gives the chunks of splitIntoChunks, however the file is read', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryText, async (text) => {
        fc.pre(text !== '');
        const found: TextChunk[] = [];
        for await (const chunk of readDocumentChunks(writeTextFile(text), () => undefined)) found.push(chunk);
        const joined = found.map((chunk) => chunk.text).join('|');
        expect(joined === [...splitIntoChunks(text)].join('|')).toBe(true);
        expect(found.map((chunk) => [chunk.isFirst, chunk.isLast])).toEqual(
          found.map((_, i) => [i === 0, i === found.length - 1]),
        );
      }),
      { numRuns: 40 },
    );
  });

  it('refuses a line that is not JSON or has no text, with its number', async () => {
    const findLine = async (text: string): Promise<unknown> => {
      const { detail } = await expectAppError('data/bad-line', () =>
        readDocuments(writeTextFile(text, 'jsonl')),
      );
      return detail['line'];
    };
    expect(await findLine('{"text":"a"}\n{"text":\n')).toBe(2);
    expect(await findLine('{"text":"a"}\n\n{"words":"a"}')).toBe(3);
    expect(await findLine('null')).toBe(1);
  });
});

describe('findChunkEnd', () => {
  it('ends a chunk after a single line break between words', () => {
    const text = `${'a'.repeat(9000)}\n\n${'b'.repeat(10)}\nc${'d '.repeat(100)}`;
    expect(findChunkEnd(text, false)).toBe(9013);
    expect(findChunkEnd('short', false)).toBe(0);
    expect(findChunkEnd('short', true)).toBe(5);
  });
});
