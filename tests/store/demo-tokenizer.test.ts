/**
 * @file The demo's tokenizer opens in @huggingface/tokenizers and gives what Python's tokenizers gave
 * (resources/demo/make-tokenizer.py).
 */
import { readFileSync } from 'node:fs';
import { Tokenizer } from '@huggingface/tokenizers';
import { expect, test } from 'vitest';

const read = (path: string): object =>
  JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')) as object;
const tokenizer = new Tokenizer(
  read('resources/demo/seedling/tokenizer.json'),
  read('resources/demo/seedling/tokenizer_config.json'),
);
const samples = read('tests/fixtures/demo-tokenizer.json') as readonly { text: string; ids: number[] }[];

test.each(samples)('$text', ({ text, ids }) => {
  expect(tokenizer.encode(text).ids).toEqual(ids);
  expect(
    ids.length
      ? tokenizer.decode(ids, { skip_special_tokens: false, clean_up_tokenization_spaces: false })
      : '',
  ).toBe(text);
});

test('the end of a text is token 0', () => {
  expect(tokenizer.token_to_id('<|endoftext|>')).toBe(0);
  expect(samples.some(({ ids }) => ids.includes(0))).toBe(true);
});
