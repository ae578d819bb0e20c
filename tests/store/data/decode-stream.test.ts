/** @file Streamed text is the text of all tokens decoded at once, for every golden tokenizer. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openTokenizer, type TextTokenizer } from '../../../src-main/store/data/tokenizer.ts';
import {
  difficultTexts,
  readComponentCases,
  readFolderCases,
  readRealCases,
  writeComponentFolder,
  writeTokenizerFolder,
} from '../../support/tokenizer-fixtures.ts';

interface Subject {
  readonly name: string;
  readonly write: () => string;
}

const subjects: readonly Subject[] = [
  ...readRealCases().map(({ name, files }) => ({ name, write: () => writeTokenizerFolder(files) })),
  ...readComponentCases()
    .filter(({ decoded }) => decoded)
    .map((golden) => ({ name: golden.name, write: () => writeComponentFolder(golden) })),
  ...readFolderCases()
    .cases.filter(({ name }) => name.startsWith('clean up'))
    .map(({ name, files }) => ({ name, write: () => writeTokenizerFolder(files) })),
];

async function stream(
  tokenizer: TextTokenizer,
  ids: readonly number[],
  context?: readonly number[],
): Promise<string> {
  const decoder = tokenizer.createDecodeStream(context);
  let text = '';
  for (const id of ids) text += await decoder.push(id);
  return text + (await decoder.end());
}

const texts = Object.values(difficultTexts);

describe.each(subjects)('createDecodeStream of $name', ({ write }) => {
  const opened = openTokenizer(write());

  it('gives the text of random tokens, however they follow each other', async () => {
    const tokenizer = await opened;
    const anyId = fc.nat(Math.min(tokenizer.vocabSize, 400) + 2);
    // Tokens of bytes, spaces and punctuation are frequent, so that they often stand together.
    const pieces = [' ', '▁', 'Ġ', '.', "'", 's', '<0xE4>', '<0xBD>', '<0xA0>', '<0xF0>', '<0x41>', 'ä', '½'];
    const frequent: number[] = [];
    for (let id = 0; id < tokenizer.vocabSize; id++)
      if (pieces.includes(tokenizer.getTokenText(id) ?? '')) frequent.push(id);
    const id = frequent.length > 0 ? fc.oneof(anyId, fc.constantFrom(...frequent)) : anyId;
    await fc.assert(
      fc.asyncProperty(fc.array(id, { maxLength: 30 }), async (ids) => {
        expect(await stream(tokenizer, ids)).toBe(await tokenizer.decode(ids));
      }),
      { numRuns: 60 },
    );
  });

  it('gives the text of encoded texts, at once and behind a context', async () => {
    const tokenizer = await opened;
    for (const text of texts) {
      const ids = await tokenizer.encode(text);
      const whole = await tokenizer.decode(ids);
      expect(await stream(tokenizer, ids)).toBe(whole);
      const half = Math.floor(ids.length / 2);
      const before = await tokenizer.decode(ids.slice(0, half));
      const after = await stream(tokenizer, ids.slice(half), ids.slice(0, half));
      // A context may end within a character, whose text then changes.
      if (whole.startsWith(before)) expect(before + after).toBe(whole);
    }
  });
});
