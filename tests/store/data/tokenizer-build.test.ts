/** @file Compares the tokenizers of folders with those that AutoTokenizer of transformers opens. */
import { describe, expect, it } from 'vitest';
import { openTokenizer } from '../../../src-main/store/data/tokenizer.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { readFolderCases, writeTokenizerFolder } from '../../support/tokenizer-fixtures.ts';

const { texts, cases } = readFolderCases();

describe('openTokenizer of a hostile folder', () => {
  it.each(['toString', 'é'])(
    'refuses merges without their prefix %j, which end the process of the library',
    async (prefix) => {
      const model = {
        type: 'BPE',
        continuing_subword_prefix: prefix,
        vocab: { a: 0, b: 1, ab: 2 },
        merges: [['a', 'b']],
      };
      const folder = writeTokenizerFolder({ 'tokenizer.json': JSON.stringify({ version: '1.0', model }) });
      await expectAppError('checkpoint/bad-tokenizer', () => openTokenizer(folder));
    },
  );
});

it.each([[null], ['a'], [{}]])(
  'openTokenizer refuses a vocabulary that has %j in place of a pair',
  async (entry) => {
    const model = { type: 'Unigram', unk_id: 0, vocab: [['a', 0], entry] };
    const folder = writeTokenizerFolder({ 'tokenizer.json': JSON.stringify({ version: '1.0', model }) });
    await expectAppError('checkpoint/bad-tokenizer', () => openTokenizer(folder));
  },
);

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
