import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { chunkText } from '../../../src-main/store/data/chunks.ts';
import {
  openTokenizer,
  readTokenizerInfo,
  tokenizerLibrary,
  type TextTokenizer,
} from '../../../src-main/store/data/tokenizer.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';
import { tinyVocab, writeTinyTokenizer } from '../../support/tiny.ts';
import {
  readFolderCases,
  readReportedCases,
  writeTokenizerFolder,
} from '../../support/tokenizer-fixtures.ts';

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

/** Writes the byte-level tokenizer and returns its tokenizer.json. */
function readTinyTokenizer(dir: string): Record<string, unknown> {
  writeTinyTokenizer(dir);
  return JSON.parse(readFileSync(join(dir, 'tokenizer.json'), 'utf8')) as Record<string, unknown>;
}

describe.each(Object.entries(writers))('a %s tokenizer', (kind, write) => {
  const dir = freshFolder();
  let tokenizer: TextTokenizer;
  beforeAll(async () => {
    write(dir);
    tokenizer = await openTokenizer(dir);
  });

  it('decodes what it encodes, at once and token by token', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryText, async (text) => {
        const ids = await tokenizer.encode(text, { addSpecialTokens: false });
        expect(ids.every((id) => id >= 0 && id < tokenizer.vocabSize)).toBe(true);
        expect(await tokenizer.decode(ids)).toBe(text);
        const stream = tokenizer.createDecodeStream();
        let streamed = '';
        for (const id of ids) streamed += await stream.push(id);
        expect(streamed + (await stream.end())).toBe(text);
      }),
      { numRuns: 300 },
    );
  });

  it('gives text while tokens arrive, not only at the end', async () => {
    const stream = tokenizer.createDecodeStream();
    let streamed = '';
    for (const id of await tokenizer.encode('the thing in the hat')) streamed += await stream.push(id);
    expect(streamed).toBe('the thing in the hat');
  });

  it('gives the same tokens in chunks as at once', async () => {
    const words = ['the', 'thing', 'in', 'a', 'Then,', 'über', '你好', '🎉.', 'x\nthe', '\n\n'];
    const text = Array.from({ length: 9000 }, (_, i) => words[((i * 7919) % 10) ^ (i % 3)]).join(' ');
    const chunks = await chunkText(text, tokenizer.canCut);
    expect(chunks.length).toBeGreaterThan(10);
    const ids = (await tokenizer.encodeChunks(chunks)).flat();
    expect(ids).toEqual(await tokenizer.encode(text, { addSpecialTokens: false }));
    const listed = await tokenizer.listChunkTokens(chunks);
    expect(listed.flatMap((chunk) => chunk.ids)).toEqual(ids);
    expect(listed[0]!.tokens.slice(0, 3)).toEqual(ids.slice(0, 3).map((id) => tokenizer.getTokenText(id)));
  });

  it('finds its special tokens and leaves them out of decoded text', async () => {
    expect(tokenizer.documentTokens).toEqual(
      kind === 'byte-level'
        ? { before: [], after: [], appended: [0] }
        : { before: [1], after: [], appended: [2] },
    );
    expect([tokenizer.bos, tokenizer.eos]).toEqual(kind === 'byte-level' ? [0, 0] : [1, 2]);
    expect(await tokenizer.decode([...(await tokenizer.encode('the')), tokenizer.eos!])).toBe('the');
    const special = await tokenizer.decode([tokenizer.eos!], { skipSpecialTokens: false });
    expect(special).toMatch(/endoftext|<\/s>/);
    expect(await tokenizer.decode([])).toBe('');
  });

  it('matches readTokenizerInfo, and has a hash that depends on its files', async () => {
    expect(await readTokenizerInfo(dir)).toEqual({ kind: 'BPE', size: tokenizer.vocabSize });
    const other = freshFolder();
    write(other);
    expect((await openTokenizer(other)).hash).toBe(tokenizer.hash);
    for (const name of ['tokenizer_config.json', 'special_tokens_map.json', 'added_tokens.json']) {
      writeFileSync(join(other, name), name === 'added_tokens.json' ? '{"a":30}' : '{"eos_token":"a"}');
      expect((await openTokenizer(other)).hash).not.toBe(tokenizer.hash);
      rmSync(join(other, name));
    }
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
    writeFileSync(join(dir, 'tokenizer_config.json'), '{"add_bos_token":"yes"}');
    const { message } = await expectAppError('checkpoint/bad-tokenizer', () => openTokenizer(dir));
    expect(message).toContain('tokenizer_config.json: add_bos_token');
  });

  it('says how to make tokenizer.json where there is only a SentencePiece model', async () => {
    const dir = freshFolder();
    writeFileSync(join(dir, 'tokenizer.model'), 'proto');
    expect(await readTokenizerInfo(dir)).toBe(null);
    const { message } = await expectAppError('checkpoint/sentencepiece-only', () => openTokenizer(dir));
    expect(message).toContain(`AutoTokenizer.from_pretrained("${dir}").save_pretrained("${dir}")`);
  });

  it('refuses a vocabulary whose way to split text is not known', async () => {
    const dir = writeTokenizerFolder({
      'vocab.json': '{"a":0,"b":1,"ab":2}',
      'merges.txt': '#version: 0.2\na b\n',
      'config.json': '{"model_type":"llama"}',
    });
    const { message } = await expectAppError('checkpoint/bad-tokenizer', () => openTokenizer(dir));
    expect(message).toContain('does not say how text is split');
    expect(await readTokenizerInfo(dir)).toEqual({ kind: 'BPE', size: 3 });
    writeFileSync(join(dir, 'config.json'), '{"model_type":"gpt2"}');
    expect(await (await openTokenizer(dir)).encode('ab')).toEqual([2]);
    writeFileSync(join(dir, 'merges.txt'), 'a b c\n');
    await expectAppError('checkpoint/bad-tokenizer', () => openTokenizer(dir));
    rmSync(join(dir, 'merges.txt'));
    await expectAppError('checkpoint/bad-tokenizer', () => openTokenizer(dir));
  });

  it('refuses text without a token when there is no unknown token', async () => {
    const dir = freshFolder();
    const json = readTinyTokenizer(dir);
    json['pre_tokenizer'] = { type: 'Whitespace' };
    json['decoder'] = null;
    json['post_processor'] = null;
    json['model'] = {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: { a: 1, '##b': 2 },
    };
    writeFileSync(join(dir, 'tokenizer.json'), JSON.stringify(json));
    const tokenizer = await openTokenizer(dir);
    expect(await tokenizer.encode('ab a')).toEqual([1, 2, 1]);
    await expectAppError('checkpoint/bad-tokenizer', () => tokenizer.encode('ab c'));
  });

  it('refuses dropout, and a decoder on which the library fails', async () => {
    const dir = freshFolder();
    const json = readTinyTokenizer(dir);
    const refuse = async (change: object): Promise<string> => {
      writeFileSync(join(dir, 'tokenizer.json'), JSON.stringify({ ...json, ...change }));
      return (await expectAppError('checkpoint/bad-tokenizer', () => openTokenizer(dir))).message;
    };
    expect(await refuse({ model: { ...(json['model'] as object), dropout: 0.1 } })).toContain('dropout');
    const strip = { type: 'Strip', content: ' ', start: 0, stop: 1 };
    expect(await refuse({ decoder: strip })).toContain('strips the end');
    expect(await refuse({ decoder: { type: 'Sequence', decoders: [strip] } })).toContain('strips the end');
  });

  it('says what transformers changes of tokenizer.json', async () => {
    const notes = async (name: string): Promise<readonly string[]> => {
      const golden = readFolderCases().cases.find((found) => found.name === name)!;
      return (await openTokenizer(writeTokenizerFolder(golden.files))).notes;
    };
    expect(await notes('plain class')).toEqual([]);
    expect(await notes('gpt2 vocab and merges')).toEqual([]);
    expect((await notes('model type replaces Digits'))[0]).toContain(
      'GPT2Tokenizer sets its own pre-tokenizer',
    );
    expect((await notes('LlamaTokenizer'))[0]).toContain('normalizer and pre-tokenizer');
    expect((await notes('unknown class'))[0]).toContain('SomebodysTokenizer');
  });

  it('has the library that package.json names', () => {
    const { dependencies } = JSON.parse(
      readFileSync(join(import.meta.dirname, '../../../package.json'), 'utf8'),
    ) as { dependencies: Readonly<Record<string, string>> };
    expect(dependencies[tokenizerLibrary.name]).toBe(tokenizerLibrary.version);
    const installed = createRequire(import.meta.url)('tokenizers/package.json') as { version: string };
    expect(installed.version).toBe(tokenizerLibrary.version);
  });
});

describe('the tokenizers of bug reports', () => {
  it.each(readReportedCases())('give the ids of Python: $name', async ({ files, text, ids, tokens }) => {
    const tokenizer = await openTokenizer(writeTokenizerFolder(files));
    expect(await tokenizer.encode(text)).toEqual(ids);
    const chunks = await chunkText(text, tokenizer.canCut, { minLength: 1, maxLength: 2 ** 20 });
    const listed = await tokenizer.listChunkTokens(chunks);
    expect(listed.flatMap((chunk) => chunk.ids)).toEqual(ids);
    expect(listed.flatMap((chunk) => chunk.tokens)).toEqual(tokens);
  });
});
