/** @file Opens the tokenizer.json of a checkpoint: encodes whole texts and chunks, and decodes tokens. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { refuse } from '../../base/errors.ts';
import type { Json, JsonObject } from '../../base/json.ts';
import { exists, isObject, readJson, readJsonObject, readOrRefuse } from '../fs/files.ts';
import { createDecodeStream, type DecodeStream } from './decode-stream.ts';

export interface TextTokenizer {
  /** BPE, Unigram or WordPiece. */
  readonly modelType: string;
  /** One more than the largest token id. */
  readonly vocabSize: number;
  readonly bos: number | null;
  readonly eos: number | null;
  /** Hash of everything that decides the tokens of a text. */
  readonly hash: string;
  /** The tokens before and after each document: those of the post-processor, and the end-of-text token. */
  readonly documentTokens: { readonly before: readonly number[]; readonly after: readonly number[] };
  /** Encodes a text. `addSpecialTokens` (default true) adds those of the post-processor, such as BOS. */
  encode(text: string, options?: { readonly addSpecialTokens?: boolean }): number[];
  /** Encodes text that continues other text: without BOS, and without the space that some tokenizers add. */
  encodeContinuation(text: string): number[];
  /** Decodes tokens. `skipSpecialTokens` (default true) leaves special tokens out. */
  decode(tokens: readonly number[], options?: { readonly skipSpecialTokens?: boolean }): string;
  /** Decodes the tokens that continue `context` one by one. */
  createDecodeStream(context?: readonly number[]): DecodeStream;
}

/** The model type and the vocabulary size of a folder's tokenizer; null when there is none. */
export async function readTokenizerInfo(
  dir: string,
): Promise<{ readonly kind: string; readonly size: number } | null> {
  const path = join(dir, 'tokenizer.json');
  if (!(await exists(path))) return null;
  const json = await readTokenizerJson(dir);
  return { kind: getModelType(json), size: computeVocabSize(json) };
}

/** Reads tokenizer.json. Refuses `checkpoint/bad-tokenizer` when it has no model with a vocabulary. */
async function readTokenizerJson(dir: string): Promise<JsonObject> {
  const json = await readJson(join(dir, 'tokenizer.json')).catch((error: unknown) =>
    refuse('checkpoint/bad-tokenizer', { path: dir, why: (error as Error).message }),
  );
  const model = isObject(json) ? json['model'] : undefined;
  const vocab = isObject(model) ? model['vocab'] : undefined;
  if (isObject(json) && (isObject(vocab) || Array.isArray(vocab))) return json;
  return refuse('checkpoint/bad-tokenizer', {
    path: dir,
    why: 'tokenizer.json has no model with a vocabulary',
  });
}

const getModelType = (json: JsonObject): string => String((json['model'] as JsonObject)['type'] ?? 'unknown');

/** One more than the largest id of the vocabulary and the added tokens. */
function computeVocabSize(json: JsonObject): number {
  const { vocab } = json['model'] as JsonObject;
  let largest = -1;
  const include = (id: unknown): void => {
    if (typeof id === 'number' && id > largest) largest = id;
  };
  if (Array.isArray(vocab)) largest = vocab.length - 1;
  else for (const id of Object.values(vocab as JsonObject)) include(id);
  for (const token of listAddedTokens(json)) include(token['id']);
  return largest + 1;
}

const listAddedTokens = (json: JsonObject): readonly JsonObject[] =>
  Array.isArray(json['added_tokens']) ? json['added_tokens'].filter(isObject) : [];

/** The same tokenizer without the space that it adds before a text, so that a text can be encoded in chunks. */
function withoutPrefixSpace(json: JsonObject): JsonObject {
  const isPrepend = (part: Json | undefined): boolean => isObject(part) && part['type'] === 'Prepend';
  const strip = (part: Json | undefined): Json => {
    if (Array.isArray(part)) return part.filter((inner) => !isPrepend(inner)).map(strip);
    if (!isObject(part)) return part ?? null;
    if (isPrepend(part)) return null;
    const out: Record<string, Json> = { ...part };
    for (const key of ['normalizers', 'pretokenizers']) if (key in out) out[key] = strip(out[key]);
    if (part['type'] === 'Metaspace') out['prepend_scheme'] = 'never';
    if ('add_prefix_space' in out) out['add_prefix_space'] = false;
    return out;
  };
  return { ...json, normalizer: strip(json['normalizer']), pre_tokenizer: strip(json['pre_tokenizer']) };
}

const readOptionalJson = async (path: string): Promise<JsonObject> =>
  (await exists(path)) ? readJsonObject(path) : {};

/**
 * Opens the tokenizer of a checkpoint folder. Refuses `checkpoint/no-tokenizer` and
 * `checkpoint/bad-tokenizer`; the latter also when a text has a token id of at least `vocabSize`, the rows of
 * the model's token embedding.
 */
export async function openTokenizer(dir: string, vocabSize = Infinity): Promise<TextTokenizer> {
  const path = join(dir, 'tokenizer.json');
  if (!(await exists(path))) return refuse('checkpoint/no-tokenizer', { path: dir });
  const json = await readTokenizerJson(dir);
  const settings = await readOptionalJson(join(dir, 'tokenizer_config.json'));
  const config = await readOptionalJson(join(dir, 'config.json'));
  const hash = createHash('sha256')
    .update(await readOrRefuse(path, () => readFile(path)))
    .update(JSON.stringify([settings, config['bos_token_id'] ?? null, config['eos_token_id'] ?? null]))
    .digest('hex');
  const refuseTokenizer = (why: string): never => refuse('checkpoint/bad-tokenizer', { path: dir, why });
  const build = (form: JsonObject): Tokenizer => {
    try {
      return new Tokenizer(form, settings);
    } catch (error) {
      return refuseTokenizer((error as Error).message);
    }
  };
  const tokenizer = build(json);
  const continuationTokenizer = build(withoutPrefixSpace(json));
  const checkIds = (ids: readonly (number | undefined)[]): number[] => {
    if (ids.some((id) => !Number.isSafeInteger(id)))
      refuseTokenizer('it has no token for a part of the text, and no unknown token');
    const beyond = ids.find((id) => id! >= vocabSize);
    if (beyond !== undefined)
      refuseTokenizer(`it gives the token ${beyond}, but the embedding of the model has ${vocabSize} rows`);
    return ids as number[];
  };
  const encode = (text: string, addSpecialTokens: boolean): number[] =>
    checkIds(tokenizer.encode(text, { add_special_tokens: addSpecialTokens }).ids);
  const decode = createDecode(tokenizer, json, settings['clean_up_tokenization_spaces'] === true);
  const eos = findSpecialToken('eos', settings, config, tokenizer);
  return {
    modelType: getModelType(json),
    vocabSize: computeVocabSize(json),
    hash,
    eos,
    bos: findSpecialToken('bos', settings, config, tokenizer),
    documentTokens: findDocumentTokens(encode('a', false), encode('a', true), eos),
    encode: (text, options) => encode(text, options?.addSpecialTokens ?? true),
    encodeContinuation: (text) =>
      checkIds(continuationTokenizer.encode(text, { add_special_tokens: false }).ids),
    decode: (tokens, options) => decode(tokens, options?.skipSpecialTokens ?? true),
    createDecodeStream: (context = []) => createDecodeStream((tokens) => decode(tokens, true), context),
  };
}

function createDecode(
  tokenizer: Tokenizer,
  json: JsonObject,
  cleanUpSpaces: boolean,
): (tokens: readonly number[], skipSpecialTokens: boolean) => string {
  const specialTokens = listAddedTokens(json).filter((token) => token['special'] === true);
  const specialIds = new Set(specialTokens.map((token) => token['id']));
  return (tokens, skipSpecialTokens) => {
    const kept = skipSpecialTokens ? tokens.filter((token) => !specialIds.has(token)) : [...tokens];
    if (kept.length === 0) return '';
    return tokenizer.decode(kept, {
      skip_special_tokens: false,
      clean_up_tokenization_spaces: cleanUpSpaces,
    });
  };
}

/** The id of a special token: by its text in tokenizer_config.json, else by its id in config.json. */
function findSpecialToken(
  role: 'bos' | 'eos',
  settings: JsonObject,
  config: JsonObject,
  tokenizer: Tokenizer,
): number | null {
  const token = settings[`${role}_token`];
  const text = isObject(token) ? token['content'] : token;
  if (typeof text === 'string') {
    const id = tokenizer.token_to_id(text);
    if (id !== undefined) return id;
  }
  const ids = config[`${role}_token_id`];
  const first = Array.isArray(ids) ? ids[0] : ids;
  return typeof first === 'number' ? first : null;
}

/** The tokens that `withSpecial` has around `plain`, and the end-of-text token unless it is among them. */
function findDocumentTokens(
  plain: readonly number[],
  withSpecial: readonly number[],
  eos: number | null,
): TextTokenizer['documentTokens'] {
  const start =
    plain.length === 0
      ? withSpecial.length
      : withSpecial.findIndex((_, i) => plain.every((token, j) => withSpecial[i + j] === token));
  const before = start < 0 ? [] : withSpecial.slice(0, start);
  const after = start < 0 ? [] : withSpecial.slice(start + plain.length);
  return { before, after: eos === null || after.at(-1) === eos ? after : [...after, eos] };
}
