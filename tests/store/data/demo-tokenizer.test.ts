import { readFileSync } from 'node:fs';
import { Tokenizer } from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';

const readJson = (path: string): object =>
  JSON.parse(readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')) as object;
const tokenizer = new Tokenizer(
  readJson('resources/demo/seedling/tokenizer.json'),
  readJson('resources/demo/seedling/tokenizer_config.json'),
);
/** What Python's tokenizers gave: resources/demo/make-tokenizer.py. */
const samples = readJson('tests/fixtures/demo-tokenizer.json') as readonly { text: string; ids: number[] }[];

describe('the tokenizer of the demo model', () => {
  it.each(samples)('encodes and decodes $text as Python does', ({ text, ids }) => {
    const decode = (): string =>
      tokenizer.decode(ids, { skip_special_tokens: false, clean_up_tokenization_spaces: false });
    expect(tokenizer.encode(text).ids).toEqual(ids);
    expect(ids.length ? decode() : '').toBe(text);
  });

  it('has the end-of-text token 0', () => {
    expect(tokenizer.token_to_id('<|endoftext|>')).toBe(0);
    expect(samples.some(({ ids }) => ids.includes(0))).toBe(true);
  });
});
