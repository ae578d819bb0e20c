/** @file The tokenizer in a GGUF file: its kind, the types and scores of tokens, and what is refused. */
import { describe, expect, it } from 'vitest';
import type { GgufValue } from '../../../src-main/model/gguf/values.ts';
import { readGgufVocabulary } from '../../../src-main/store/data/gguf-vocabulary.ts';
import { findScoreProblem, listMergeScores } from '../../../src-main/store/data/sentence-pieces.ts';
import { openTokenizer } from '../../../src-main/store/data/tokenizer.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { readRealCases, writeTokenizerFolder } from '../../support/tokenizer-fixtures.ts';

const cases = readRealCases();
const filesOf = (name: string) => cases.find((golden) => golden.name === name)!.files;

async function read(files: Readonly<Record<string, string>>): Promise<ReadonlyMap<string, GgufValue>> {
  const dir = writeTokenizerFolder(files);
  const { vocabSize } = await openTokenizer(dir);
  return new Map((await readGgufVocabulary(dir, vocabSize)).entries);
}

const textOf = (value: GgufValue | undefined): unknown => value?.type === 'string' && value.value;
const listOf = (value: GgufValue | undefined): readonly unknown[] =>
  value?.type === 'array' ? value.values : [];

/** The kind and the pre-tokenizer of each real tokenizer; undefined for those that llama.cpp would read otherwise. */
const kinds: Readonly<Record<string, readonly [model: string, pre: string] | undefined>> = {
  gpt2: ['gpt2', 'gpt-2'],
  llama2: ['llama', 'default'],
  llama3: ['gpt2', 'llama-bpe'],
  qwen3: ['gpt2', 'qwen2'],
  gemma: ['llama', 'default'],
  gemma3: ['llama', 'default'],
  deepseek_v3: ['gpt2', 'deepseek-v3'],
  cl100k: ['gpt2', 'dbrx'],
  // As in transformers, its class GPT2Tokenizer sets its own pre-tokenizer.
  o200k: ['gpt2', 'gpt-2'],
  gptoss: undefined,
  claude: undefined,
};

it('knows every real tokenizer of the fixtures', () => {
  expect(cases.map(({ name }) => name)).toEqual(Object.keys(kinds));
});

describe.each(cases)('$name', ({ name, files }) => {
  it('has the kind that llama.cpp reads, or is refused', async () => {
    const kind = kinds[name];
    if (!kind) {
      await expectAppError('gguf/tokenizer', () => read(files));
      return;
    }
    const entries = await read(files);
    expect(textOf(entries.get('tokenizer.ggml.model'))).toBe(kind[0]);
    expect(textOf(entries.get('tokenizer.ggml.pre'))).toBe(kind[1]);
    const tokens = listOf(entries.get('tokenizer.ggml.tokens'));
    expect(listOf(entries.get('tokenizer.ggml.token_type'))).toHaveLength(tokens.length);
    expect(new Set(tokens).size).toBe(tokens.length);
    expect(entries.has(kind[0] === 'llama' ? 'tokenizer.ggml.scores' : 'tokenizer.ggml.merges')).toBe(true);
  });
});

it('marks bytes, the unknown token, special tokens and rows without a token', async () => {
  const dir = writeTokenizerFolder(filesOf('llama2'));
  const { vocabSize } = await openTokenizer(dir);
  const entries = new Map((await readGgufVocabulary(dir, vocabSize + 2)).entries);
  const tokens = listOf(entries.get('tokenizer.ggml.tokens'));
  const types = listOf(entries.get('tokenizer.ggml.token_type'));
  const typeOf = (text: string): unknown => types[tokens.indexOf(text)];
  expect([typeOf('<unk>'), typeOf('<s>'), typeOf('</s>')]).toEqual([2, 3, 3]);
  expect([typeOf('<0x0A>'), typeOf('▁t')]).toEqual([6, 1]);
  expect(tokens.at(-1)).toBe(`[PAD${vocabSize + 1}]`);
  expect(types.at(-1)).toBe(5);
  expect(entries.get('tokenizer.ggml.bos_token_id')).toEqual({ type: 'uint32', value: 1 });
  expect(entries.get('tokenizer.ggml.add_bos_token')).toEqual({ type: 'bool', value: true });
  expect(entries.get('tokenizer.ggml.add_space_prefix')).toEqual({ type: 'bool', value: true });
});

it('writes the chat template', async () => {
  const settings = JSON.parse(filesOf('qwen3')['tokenizer_config.json']!) as object;
  const entries = await read({
    ...filesOf('qwen3'),
    'tokenizer_config.json': JSON.stringify({ ...settings, chat_template: '{{ messages }}' }),
  });
  expect(textOf(entries.get('tokenizer.chat_template'))).toBe('{{ messages }}');
});

it('refuses a token beyond the embedding, and other changes of the text', async () => {
  const dir = writeTokenizerFolder(filesOf('gpt2'));
  await expectAppError('gguf/tokenizer', () => readGgufVocabulary(dir, 10));
  const json = JSON.parse(filesOf('llama3')['tokenizer.json']!) as object;
  for (const change of [
    { normalizer: { type: 'Lowercase' } },
    { pre_tokenizer: { type: 'Whitespace' } },
    { pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true } },
  ])
    await expectAppError('gguf/tokenizer', () =>
      read({ ...filesOf('llama3'), 'tokenizer.json': JSON.stringify({ ...json, ...change }) }),
    );
});

describe('merging by scores', () => {
  const merges = [
    ['a', 'b'],
    ['b', 'c'],
    ['ab', 'c'],
    ['a', 'bc'],
  ] as const;

  it('orders tokens as their merges', () => {
    expect([...listMergeScores(merges)]).toEqual([
      ['ab', -0],
      ['bc', -1],
      ['abc', -2],
    ]);
    expect(findScoreProblem(['a', 'b', 'c', 'ab', 'bc', 'abc'], merges)).toBe(undefined);
  });

  it('finds a merge that is not listed, and merges of one token that are apart', () => {
    expect(findScoreProblem(['a', 'b', 'c', 'ab', 'bc', 'abc'], merges.slice(0, 3))).toContain('"bc"');
    const apart = [merges[2], merges[0], merges[3]];
    expect(findScoreProblem(['ab', 'abc'], apart)).toContain('do not follow each other');
  });
});
