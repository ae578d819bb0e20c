/** @file Cutting a text into chunks never changes a token, for every golden tokenizer and nasty text. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chunkDocuments, chunkText, type TextChunk } from '../../../src-main/store/data/chunks.ts';
import type { DocumentPart } from '../../../src-main/store/data/documents.ts';
import { openTokenizer, type TextTokenizer } from '../../../src-main/store/data/tokenizer.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import {
  difficultTexts,
  readComponentCases,
  readFolderCases,
  readRealCases,
  writeComponentFolder,
  writeTokenizerFolder,
} from '../../support/tokenizer-fixtures.ts';

const texts = Object.values(difficultTexts);
/** Pieces that meet in every order: words, spaces of all kinds, line breaks, marks and special tokens. */
const nastyPieces = [
  ...texts.filter((text) => text !== '' && text.length < 120),
  'the ',
  ' the',
  'word',
  ' ',
  '  ',
  '\n',
  '\n\n',
  '\r\n',
  '\t',
  'a.\nb',
  "don't ",
  '你好',
  '。\n',
  '😀',
  '\u0301',
  '<s>',
  '</s> ',
  ' <|endoftext|>',
  '[MASK]',
  ' 12345 ',
  '...\n',
  '▁',
];
const nastyText = fc.array(fc.constantFrom(...nastyPieces), { maxLength: 24 }).map((all) => all.join(''));
/** Cuts at every place that the rule allows. */
const everyCut = { minLength: 1, maxLength: 2 ** 20 };

async function encodeInChunks(
  tokenizer: TextTokenizer,
  text: string,
  minLength: number,
): Promise<{ ids: number[]; chunks: number }> {
  const chunks = await chunkText(text, tokenizer.canCut, { ...everyCut, minLength });
  expect(chunks.map((chunk) => chunk.text).join('')).toBe(text);
  return { ids: (await tokenizer.encodeChunks(chunks)).flat(), chunks: chunks.length };
}

const subjects = [
  ...readRealCases().map(({ name, files }) => ({
    name,
    open: () => openTokenizer(writeTokenizerFolder(files)),
  })),
  ...readComponentCases().map((golden) => ({
    name: golden.name,
    open: () => openTokenizer(writeComponentFolder(golden)),
  })),
  ...readFolderCases().cases.map(({ name, files }) => ({
    name: `folder ${name}`,
    open: () => openTokenizer(writeTokenizerFolder(files)),
  })),
];

describe.each(subjects)('chunks of $name', ({ open }) => {
  it('have the tokens of the whole text', async () => {
    const tokenizer = await open();
    await fc.assert(
      fc.asyncProperty(nastyText, fc.constantFrom(1, 1, 7, 40), async (text, minLength) => {
        const whole = await tokenizer.encode(text, { addSpecialTokens: false });
        expect((await encodeInChunks(tokenizer, text, minLength)).ids).toEqual(whole);
      }),
      { numRuns: 60 },
    );
  });
});

describe.each(readRealCases())('chunks of the real tokenizer $name', ({ files }) => {
  it('are short for text with words, lines or Chinese sentences', async () => {
    const tokenizer = await openTokenizer(writeTokenizerFolder(files));
    for (const text of [difficultTexts['plain']!, difficultTexts['code']!, difficultTexts['cyrillic']!]) {
      const long = `${text} `.repeat(50);
      const { chunks } = await encodeInChunks(tokenizer, long, 100);
      expect(chunks).toBeGreaterThan(long.length / 300);
    }
  });
});

/** The parts of one document. */
async function* partsOf(parts: readonly string[]): AsyncGenerator<DocumentPart> {
  for (const [i, text] of parts.entries()) yield { text, isFirst: i === 0, isLast: i === parts.length - 1 };
}

async function collect(chunks: AsyncIterable<TextChunk>): Promise<TextChunk[]> {
  const all: TextChunk[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return all;
}

describe('chunkDocuments', () => {
  const canCut = (before: string, after: string): boolean => before !== ' ' && after === ' ';

  it('joins parts, and marks the first and the last chunk of a document', async () => {
    const limits = { minLength: 4, maxLength: 100 };
    const chunks = await collect(
      chunkDocuments('f', partsOf(['one t', 'wo three fo', 'ur']), canCut, limits),
    );
    expect(chunks.map(({ text }) => text)).toEqual(['one two', ' three', ' four']);
    expect(chunks.map(({ before }) => before)).toEqual(['', 'o', 'e']);
    expect(chunks.map(({ isFirst, isLast }) => [isFirst, isLast])).toEqual([
      [true, false],
      [false, false],
      [false, true],
    ]);
  });

  it('refuses a piece that is too long, however it arrives', async () => {
    const limits = { minLength: 4, maxLength: 10 };
    const long = ['abcdefg', 'hijklmn'];
    await expectAppError('data/no-cut', () => collect(chunkDocuments('f', partsOf(long), canCut, limits)));
    await expectAppError('data/no-cut', () =>
      collect(chunkDocuments('f', partsOf([long.join('')]), canCut, limits)),
    );
  });
});
