import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openTokenizer } from '../../../src-main/store/data/tokenizer.ts';

const root = join(import.meta.dirname, '../../..');
/** What Python's tokenizers gave: resources/demo/make-tokenizer.py. */
const samples = JSON.parse(
  readFileSync(join(root, 'tests/fixtures/demo-tokenizer.json'), 'utf8'),
) as readonly { text: string; ids: number[] }[];
const opened = openTokenizer(join(root, 'resources/demo/seedling'));

describe('the tokenizer of the demo model', () => {
  it.each(samples)('encodes and decodes $text as Python does', async ({ text, ids }) => {
    const tokenizer = await opened;
    expect(await tokenizer.encode(text)).toEqual(ids);
    expect(await tokenizer.decode(ids, { skipSpecialTokens: false })).toBe(text);
  });

  it('has the end-of-text token 0', async () => {
    expect((await opened).eos).toBe(0);
    expect(samples.some(({ ids }) => ids.includes(0))).toBe(true);
  });
});
