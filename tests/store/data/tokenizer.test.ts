import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { splitIntoChunks } from '../../../src-main/store/data/chunks.ts';
import {
  openTokenizer,
  readTokenizerInfo,
  type TextTokenizer,
} from '../../../src-main/store/data/tokenizer.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';
import { tinyVocab, writeTinyTokenizer } from '../../support/tiny.ts';

/** Writes a tokenizer like Llama's: a space before the text, byte fallback, and BOS from the post-processor. */
function writeLlamaTokenizer(dir: string): void {
  const words = [
    '<unk>',
    '<s>',
    '</s>',
    ...Array.from({ length: 256 }, (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`),
    '▁',
    ...'abcdefghijklmnopqrstuvwxyzT,.',
    '▁t',
    'he',
    '▁the',
    'in',
    '▁a',
  ];
  const special = (id: number) => ({
    id,
    content: words[id],
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  });
  writeFileSync(
    join(dir, 'tokenizer.json'),
    JSON.stringify({
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: [special(0), special(1), special(2)],
      normalizer: {
        type: 'Sequence',
        normalizers: [
          { type: 'Prepend', prepend: '▁' },
          { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
        ],
      },
      pre_tokenizer: null,
      post_processor: {
        type: 'TemplateProcessing',
        single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
        pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
        special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
      },
      decoder: {
        type: 'Sequence',
        decoders: [
          { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
          { type: 'ByteFallback' },
          { type: 'Fuse' },
          { type: 'Strip', content: ' ', start: 1, stop: 0 },
        ],
      },
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: '<unk>',
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: true,
        byte_fallback: true,
        ignore_merges: false,
        vocab: Object.fromEntries(words.map((word, i) => [word, i])),
        merges: ['▁ t', 'h e', '▁t he', 'i n', '▁ a'],
      },
    }),
  );
  writeFileSync(
    join(dir, 'tokenizer_config.json'),
    JSON.stringify({ bos_token: { content: '<s>' }, eos_token: '</s>' }),
  );
}

const writers = { 'byte-level': writeTinyTokenizer, Llama: writeLlamaTokenizer } as const;
const arbitraryText = fc
  .array(
    fc.oneof(
      fc.constantFrom('the ', 'then ', 'a', 'in ', '\n', '\n\n', '  ', 'T', 'über ', '你好', '🎉', '.', ', '),
      fc.string({ unit: 'binary', maxLength: 3 }),
    ),
    { maxLength: 30 },
  )
  .map((all) => all.join('').replaceAll('\0', '').toWellFormed());

describe.each(Object.entries(writers))('a %s tokenizer', (kind, write) => {
  const dir = freshFolder();
  let tokenizer: TextTokenizer;
  beforeAll(async () => {
    write(dir);
    tokenizer = await openTokenizer(dir);
  });

  it('decodes what it encodes, at once and token by token', () => {
    fc.assert(
      fc.property(arbitraryText, (text) => {
        const ids = tokenizer.encode(text, { addSpecialTokens: false });
        expect(ids.every((id) => id >= 0 && id < tokenizer.vocabSize)).toBe(true);
        expect(tokenizer.decode(ids)).toBe(text);
        const stream = tokenizer.createDecodeStream();
        expect(ids.map((id) => stream.push(id)).join('') + stream.end()).toBe(text);
      }),
      { numRuns: 300 },
    );
  });

  it('streams a continuation as if both texts were decoded together', () => {
    fc.assert(
      fc.property(arbitraryText, arbitraryText, (before, after) => {
        const start = tokenizer.encode(before);
        const rest = tokenizer.encodeContinuation(after);
        const stream = tokenizer.createDecodeStream(start);
        const streamed = rest.map((id) => stream.push(id)).join('') + stream.end();
        expect(tokenizer.decode(start) + streamed).toBe(tokenizer.decode([...start, ...rest]));
      }),
      { numRuns: 300 },
    );
  });

  it('gives the same tokens in chunks as at once', () => {
    const words = ['the', 'thing', 'in', 'a', 'Then,', 'über', '你好', '🎉.', 'x\nthe', '\n\n'];
    const text = Array.from({ length: 9000 }, (_, i) => words[((i * 7919) % 10) ^ (i % 3)]).join(' ');
    const chunks = [...splitIntoChunks(text)];
    expect(chunks.length).toBeGreaterThan(3);
    const ids = chunks.flatMap((chunk, i) =>
      i === 0 ? tokenizer.encode(chunk, { addSpecialTokens: false }) : tokenizer.encodeContinuation(chunk),
    );
    expect(ids).toEqual(tokenizer.encode(text, { addSpecialTokens: false }));
  });

  it('finds its special tokens and leaves them out of decoded text', () => {
    expect(tokenizer.documentTokens).toEqual(
      kind === 'byte-level' ? { before: [], after: [0] } : { before: [1], after: [2] },
    );
    expect([tokenizer.bos, tokenizer.eos]).toEqual(kind === 'byte-level' ? [0, 0] : [1, 2]);
    expect(tokenizer.decode([...tokenizer.encode('the'), tokenizer.eos!])).toBe('the');
    expect(tokenizer.decode([tokenizer.eos!], { skipSpecialTokens: false })).toMatch(/endoftext|<\/s>/);
    expect(tokenizer.decode([])).toBe('');
  });

  it('matches readTokenizerInfo, and has a hash that depends on its files', async () => {
    expect(await readTokenizerInfo(dir)).toEqual({ kind: 'BPE', size: tokenizer.vocabSize });
    const other = freshFolder();
    write(other);
    expect((await openTokenizer(other)).hash).toBe(tokenizer.hash);
    writeFileSync(join(other, 'tokenizer_config.json'), JSON.stringify({ eos_token: 'a' }));
    expect((await openTokenizer(other)).hash).not.toBe(tokenizer.hash);
  });
});

describe('openTokenizer', () => {
  it('refuses a folder without a valid tokenizer.json', async () => {
    const dir = freshFolder();
    const path = join(dir, 'tokenizer.json');
    expect(await readTokenizerInfo(dir)).toBe(null);
    await expectAppError('checkpoint/no-tokenizer', () => openTokenizer(dir));
    for (const text of ['{', '[]', '{}', '{"model":{}}', '{"model":{"type":"Nonsense","vocab":{"a":0}}}']) {
      writeFileSync(path, text);
      await expectAppError('checkpoint/bad-tokenizer', () => openTokenizer(dir));
    }
    writeTinyTokenizer(dir);
    expect((await openTokenizer(dir)).vocabSize).toBe(tinyVocab);
  });

  it('refuses text without a token when there is no unknown token', async () => {
    const dir = freshFolder();
    const path = join(dir, 'tokenizer.json');
    writeTinyTokenizer(dir);
    const json = JSON.parse(readFileSync(path, 'utf8')) as {
      pre_tokenizer: unknown;
      decoder: unknown;
      post_processor: unknown;
      model: unknown;
    };
    json.pre_tokenizer = { type: 'Whitespace' };
    json.decoder = null;
    json.post_processor = null;
    json.model = {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: { a: 1, '##b': 2 },
    };
    writeFileSync(path, JSON.stringify(json));
    const tokenizer = await openTokenizer(dir);
    expect(tokenizer.encode('ab a')).toEqual([1, 2, 1]);
    await expectAppError('checkpoint/bad-tokenizer', () => tokenizer.encode('ab c'));
  });

  const stories = join(import.meta.dirname, '../../../../shared/data/stories260K');
  it.skipIf(!existsSync(stories))('encodes as transformers does, for the real stories260K', async () => {
    const tokenizer = await openTokenizer(stories);
    expect(tokenizer.encode('Once upon a time')).toEqual([1, 403, 407, 261, 378]);
  });
});
