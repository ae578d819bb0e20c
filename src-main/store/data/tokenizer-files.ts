/**
 * @file Reads the files of a folder's tokenizer: tokenizer.json, or a vocabulary with merges, and the settings
 * of transformers beside them.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { refuse } from '../../base/errors.ts';
import { parseJson, type Json, type JsonObject } from '../../base/json.ts';
import { exists, isObject } from '../fs/files.ts';
import { readInside } from '../fs/inside.ts';

/** A part of the pipeline. The library checks what is inside. */
const component = z.custom<JsonObject>((value) => isObject(value)).nullable();
/** Ids by token. Large, so only its form is checked here. */
const vocabulary = z.custom<Readonly<Record<string, number>>>((value) => isObject(value));

/** An added token, as tokenizer.json and transformers write it. */
export const addedToken = z.looseObject({
  content: z.string(),
  single_word: z.boolean().default(false),
  lstrip: z.boolean().default(false),
  rstrip: z.boolean().default(false),
  normalized: z.boolean().optional(),
  special: z.boolean().default(false),
});

/** The vocabulary of a Unigram model: pairs of a token and its score. */
const scoredTokens = z.custom<readonly Json[]>(
  (value) => Array.isArray(value) && value.every((entry) => Array.isArray(entry)),
);

const tokenizerSchema = z.looseObject({
  added_tokens: z.array(addedToken.extend({ id: z.number().int().nonnegative() })).default([]),
  normalizer: component.default(null),
  pre_tokenizer: component.default(null),
  post_processor: component.default(null),
  decoder: component.default(null),
  model: z.looseObject({
    type: z.string().optional(),
    vocab: z.union([vocabulary, scoredTokens]),
    merges: z.custom<readonly (string | readonly string[])[]>((value) => Array.isArray(value)).optional(),
    dropout: z.number().nullish(),
    unk_token: z.string().nullish(),
  }),
});

/** A special token: its text, or an added token. */
const specialToken = z.union([z.string(), addedToken]).nullish();
const specialTokens = {
  bos_token: specialToken,
  eos_token: specialToken,
  unk_token: specialToken,
  sep_token: specialToken,
  pad_token: specialToken,
  cls_token: specialToken,
  mask_token: specialToken,
};
const extraTokens = z
  .union([
    z.array(z.union([z.string(), addedToken])),
    z.record(z.string(), z.union([z.string(), addedToken])),
  ])
  .nullish();

/** tokenizer_config.json, and what special_tokens_map.json adds to it. */
const settingsSchema = z.looseObject({
  ...specialTokens,
  additional_special_tokens: extraTokens,
  extra_special_tokens: extraTokens,
  added_tokens_decoder: z.record(z.string(), addedToken).nullish(),
  tokenizer_class: z.string().nullish(),
  clean_up_tokenization_spaces: z.boolean().nullish(),
  clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output: z.boolean().nullish(),
  add_bos_token: z.boolean().nullish(),
  add_eos_token: z.boolean().nullish(),
  add_prefix_space: z.boolean().nullish(),
  legacy: z.boolean().nullish(),
  split_special_tokens: z.boolean().nullish(),
  do_lower_case: z.boolean().nullish(),
  strip_accents: z.boolean().nullish(),
  tokenize_chinese_chars: z.boolean().nullish(),
});

const configSchema = z.looseObject({
  model_type: z.string().optional(),
  tokenizer_class: z.string().nullish(),
  bos_token_id: z.union([z.number(), z.array(z.number())]).nullish(),
  eos_token_id: z.union([z.number(), z.array(z.number())]).nullish(),
});

export type AddedToken = z.infer<typeof addedToken>;
export type TokenizerJson = z.infer<typeof tokenizerSchema>;
export type TokenizerSettings = z.infer<typeof settingsSchema>;
export type ModelConfig = z.infer<typeof configSchema>;
export type Component = z.infer<typeof component>;

export const namedTokens = Object.keys(specialTokens) as readonly (keyof typeof specialTokens)[];

/** The files of a folder's tokenizer. Either `tokenizer` is there, or `vocab`. */
export interface TokenizerFiles {
  readonly tokenizer: TokenizerJson | undefined;
  /** The file that the vocabulary comes from. */
  readonly source: 'tokenizer.json' | 'vocab.json' | 'vocab.txt';
  /** vocab.json, or the lines of vocab.txt with their numbers. */
  readonly vocab: Readonly<Record<string, number>> | undefined;
  /** merges.txt, as pairs. */
  readonly merges: readonly (readonly [string, string])[] | undefined;
  /** tokenizer_config.json, with special_tokens_map.json over it if it lists no added tokens itself. */
  readonly settings: TokenizerSettings;
  /** added_tokens.json: ids by text. */
  readonly addedTokens: Readonly<Record<string, number>>;
  readonly config: ModelConfig;
  /** The bytes of every file that was read, for the hash. */
  readonly contents: readonly (string | Buffer)[];
}

/** Every file that decides the tokens of a text. */
const names = [
  'tokenizer.json',
  'vocab.json',
  'vocab.txt',
  'merges.txt',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'config.json',
] as const;
type FileName = (typeof names)[number];

/**
 * Reads the tokenizer of a folder. Refuses `checkpoint/no-tokenizer`, `checkpoint/sentencepiece-only`,
 * `checkpoint/bad-tokenizer`.
 */
export async function readTokenizerFiles(dir: string): Promise<TokenizerFiles> {
  const files = new Map<FileName, Buffer>();
  for (const name of names) {
    const bytes = await readInside(dir, name);
    if (bytes) files.set(name, bytes);
  }
  const parse = <T>(name: FileName, schema: z.ZodType<T>): T | undefined => {
    const bytes = files.get(name);
    return bytes === undefined ? undefined : parseFile(dir, name, bytes, schema);
  };
  const source = await findSource(dir, files);
  const { additional_special_tokens: additional, ...own } =
    parse('tokenizer_config.json', settingsSchema) ?? {};
  const extra =
    Object.keys(own.extra_special_tokens ?? {}).length > 0 ? own.extra_special_tokens : additional;
  const settings: TokenizerSettings = { ...own, extra_special_tokens: extra };
  const map = parse('special_tokens_map.json', settingsSchema) ?? {};
  const config = parse('config.json', configSchema) ?? {};
  const { bos_token_id: bos = null, eos_token_id: eos = null } = config;
  const vocabText = files.get('vocab.txt');
  return {
    source,
    tokenizer: source === 'tokenizer.json' ? parse('tokenizer.json', tokenizerSchema) : undefined,
    vocab:
      source === 'vocab.json'
        ? parse('vocab.json', vocabulary)
        : source === 'vocab.txt'
          ? readVocabText(vocabText!.toString('utf8'))
          : undefined,
    merges: source === 'vocab.json' ? readMerges(dir, files.get('merges.txt')!.toString('utf8')) : undefined,
    settings: settings.added_tokens_decoder ? settings : { ...settings, ...map },
    addedTokens: settings.added_tokens_decoder
      ? {}
      : (parse('added_tokens.json', z.record(z.string(), z.number().int().nonnegative())) ?? {}),
    config,
    contents: [
      ...names.filter((name) => name !== 'config.json').flatMap((name) => [name, files.get(name) ?? '-']),
      JSON.stringify([config.model_type ?? null, config.tokenizer_class ?? null, bos, eos]),
    ],
  };
}

/** The file with the vocabulary. */
async function findSource(
  dir: string,
  files: ReadonlyMap<FileName, Buffer>,
): Promise<TokenizerFiles['source']> {
  if (files.has('tokenizer.json')) return 'tokenizer.json';
  if (files.has('vocab.json') && files.has('merges.txt')) return 'vocab.json';
  if (files.has('vocab.txt')) return 'vocab.txt';
  for (const file of ['tokenizer.model', 'spiece.model', 'sentencepiece.bpe.model', 'tekken.json'])
    if (await exists(join(dir, file))) refuse('checkpoint/sentencepiece-only', { path: dir, file });
  if (files.has('vocab.json'))
    return refuse('checkpoint/bad-tokenizer', { path: dir, why: 'there is vocab.json but no merges.txt' });
  return refuse('checkpoint/no-tokenizer', { path: dir });
}

function parseFile<T>(dir: string, name: string, bytes: Buffer, schema: z.ZodType<T>): T {
  const refuseFile = (why: string): never =>
    refuse('checkpoint/bad-tokenizer', { path: dir, why: `${name}: ${why}` });
  try {
    return parseJson(bytes.toString('utf8').replace(/^\ufeff/, ''), schema);
  } catch (error) {
    return refuseFile((error as Error).message);
  }
}

/** The lines of vocab.txt, numbered from 0. A later line with the same text wins, as in transformers. */
function readVocabText(text: string): Record<string, number> {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return Object.fromEntries(lines.map((line, i) => [line.replace(/\r$/, ''), i]));
}

/** The pairs of merges.txt, after a line with the version. */
function readMerges(dir: string, text: string): (readonly [string, string])[] {
  const merges: (readonly [string, string])[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line === '' || line.startsWith('#version')) continue;
    const [left, right, ...rest] = line.split(' ');
    if (left === undefined || right === undefined || rest.length > 0)
      refuse('checkpoint/bad-tokenizer', { path: dir, why: `merges.txt, line ${i + 1}: it is no pair` });
    merges.push([left, right]);
  }
  return merges;
}
