/** @file Compares every component of the library, and real tokenizers, with Python's tokenizers. */
import { describe, expect, it } from 'vitest';
import { openTokenizer } from '../../../src-main/store/data/tokenizer.ts';
import {
  difficultTexts,
  readComponentCases,
  readRealCases,
  writeComponentFolder,
  writeTokenizerFolder,
} from '../../support/tokenizer-fixtures.ts';

const texts = Object.entries(difficultTexts);

describe('a tokenizer with one component', () => {
  it.each(readComponentCases())('gives the ids, tokens and text of Python: $name', async (golden) => {
    const tokenizer = await openTokenizer(writeComponentFolder(golden));
    for (const [i, [name, text]] of texts.entries())
      expect(await tokenizer.encode(text), name).toEqual(golden.ids[i]);
    for (const [i, ids] of golden.plain.entries())
      expect(await tokenizer.encode(texts[6 + i]![1], { addSpecialTokens: false })).toEqual(ids);
    if (!golden.decoded) return;
    for (const [i, ids] of [...golden.ids, ...golden.random].entries())
      expect(await tokenizer.decode(ids)).toBe(golden.decoded[i]);
    for (const [i, ids] of golden.random.entries())
      expect(await tokenizer.decode(ids, { skipSpecialTokens: false })).toBe(golden.decodedWithSpecial![i]);
  });
});

describe('a real tokenizer', () => {
  const cases = readRealCases();

  it.each(cases)('gives the ids and text of transformers: $name', async (golden) => {
    const tokenizer = await openTokenizer(writeTokenizerFolder(golden.files));
    for (const [i, [name, text]] of texts.entries())
      expect(await tokenizer.encode(text), name).toEqual(golden.auto.ids[i]);
    for (const [i, ids] of golden.auto.ids.entries())
      expect(await tokenizer.decode(ids), texts[i]![0]).toBe(golden.auto.decoded[i]);
    for (const [i, ids] of golden.random.entries())
      expect(await tokenizer.decode(ids)).toBe(golden.randomDecoded[i]);
  });

  it.each(cases.filter(({ plain }) => plain))(
    'without settings gives the ids of tokenizers: $name',
    async (golden) => {
      const { 'tokenizer.json': file } = golden.files;
      const tokenizer = await openTokenizer(writeTokenizerFolder({ 'tokenizer.json': file! }));
      for (const [i, [name, text]] of texts.entries())
        expect(await tokenizer.encode(text), name).toEqual(golden.plain![i]);
    },
  );
});
