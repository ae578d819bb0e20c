/** @file Compares the tokenizers of folders with those that AutoTokenizer of transformers opens. */
import { describe, expect, it } from 'vitest';
import { openTokenizer } from '../../../src-main/store/data/tokenizer.ts';
import { readFolderCases, writeTokenizerFolder } from '../../support/tokenizer-fixtures.ts';

const { texts, cases } = readFolderCases();

describe('openTokenizer of a folder', () => {
  it.each(cases)('encodes and decodes as AutoTokenizer does: $name', async (golden) => {
    const tokenizer = await openTokenizer(writeTokenizerFolder(golden.files));
    for (const [i, text] of texts.entries())
      expect(await tokenizer.encode(text), text).toEqual(golden.ids[i]);
    for (const [i, ids] of golden.ids.entries())
      expect(await tokenizer.decode(ids), texts[i]!).toBe(golden.decoded[i]);
    const punctuated = await tokenizer.encode(" a . b ! c ? d , e ' f n't g 's h");
    expect(await tokenizer.decode(punctuated)).toBe(golden.cleaned);
  });
});
