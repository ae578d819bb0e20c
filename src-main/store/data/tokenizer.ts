/**
 * @file tokenizer.json as a tokenizer: text to tokens and back, in whole documents, in pieces, and token by
 * token.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { refuse } from '../../base/errors.ts';
import type { Json, JsonObject } from '../../base/json.ts';
import { exists, isObject, readJson, readObject, reading } from '../fs/files.ts';

export interface TextTokenizer {
  /** The kind of its model: BPE, Unigram, WordPiece. */
  readonly kind: string;
  /** One above its largest token. */
  readonly size: number;
  readonly bos: number | null;
  readonly eos: number | null;
  /** Of every file that decides its tokens. */
  readonly hash: string;
  /**
   * `special`: with the tokens that the model's own post-processor adds (its first token, as a rule); on
   * unless switched off.
   */
  encode(text: string, options?: { readonly special?: boolean }): number[];
  /**
   * Tokens of text that goes on after other text: nothing is put before it, neither a first token nor the
   * space that some tokenizers add.
   */
  encodeOn(text: string): number[];
  /**
   * What stands before and after the tokens of every document: what the post-processor adds, and the
   * end-of-text token if there is one.
   */
  readonly frame: { readonly before: readonly number[]; readonly after: readonly number[] };
  /** `special`: special tokens are spelled out; off unless switched on. */
  decode(tokens: readonly number[], options?: { readonly special?: boolean }): string;
  /** Text token by token: `push` answers with what has become certain, `end` with the rest. */
  stream(before?: readonly number[]): { push(token: number): string; end(): string };
}

/** The tokenizer.json of `dir` with nothing built: its kind and size, or null when there is none. */
export async function tokenizerCard(
  dir: string,
): Promise<{ readonly kind: string; readonly size: number } | null> {
  const path = join(dir, 'tokenizer.json');
  if (!(await exists(path))) return null;
  const json = await parsed(dir);
  return { kind: String((json['model'] as JsonObject)['type'] ?? 'unknown'), size: sizeOf(json) };
}

async function parsed(dir: string): Promise<JsonObject> {
  const json = await readJson(join(dir, 'tokenizer.json')).catch((error: unknown) =>
    refuse('checkpoint/bad-tokenizer', { path: dir, why: (error as Error).message }),
  );
  if (
    !isObject(json) ||
    !isObject(json['model']) ||
    (!isObject(json['model']['vocab']) && !Array.isArray(json['model']['vocab']))
  )
    return refuse('checkpoint/bad-tokenizer', {
      path: dir,
      why: 'tokenizer.json has no model with a vocabulary',
    });
  return json;
}

function sizeOf(json: JsonObject): number {
  const { vocab } = json['model'] as JsonObject;
  let most = -1;
  if (Array.isArray(vocab)) most = vocab.length - 1;
  else
    for (const id of Object.values(vocab as JsonObject)) if (typeof id === 'number' && id > most) most = id;
  for (const token of addedOf(json))
    if (typeof token['id'] === 'number' && token['id'] > most) most = token['id'];
  return most + 1;
}

const addedOf = (json: JsonObject): readonly JsonObject[] =>
  Array.isArray(json['added_tokens']) ? json['added_tokens'].filter(isObject) : [];

/** The same tokenizer without what it puts before a text, so that a text can be encoded in pieces. */
function continuing(json: JsonObject): JsonObject {
  const strip = (part: Json | undefined): Json => {
    if (Array.isArray(part)) return part.filter((p) => !(isObject(p) && p['type'] === 'Prepend')).map(strip);
    if (!isObject(part)) return part ?? null;
    if (part['type'] === 'Prepend') return null;
    const out: Record<string, Json> = Object.fromEntries(
      Object.entries(part).map(([key, value]) => [
        key,
        key === 'normalizers' || key === 'pretokenizers' ? strip(value) : value,
      ]),
    );
    if (part['type'] === 'Metaspace') out['prepend_scheme'] = 'never';
    if ('add_prefix_space' in out) out['add_prefix_space'] = false;
    return out;
  };
  return { ...json, normalizer: strip(json['normalizer']), pre_tokenizer: strip(json['pre_tokenizer']) };
}

const optional = async (path: string): Promise<JsonObject> => ((await exists(path)) ? readObject(path) : {});

/**
 * The tokenizer of a checkpoint's folder. Refuses `checkpoint/bad-tokenizer`, also for text that has a token
 * beyond the `vocab` rows of the model's table.
 */
export async function openTokenizer(dir: string, vocab = Infinity): Promise<TextTokenizer> {
  const path = join(dir, 'tokenizer.json');
  if (!(await exists(path))) return refuse('checkpoint/no-tokenizer', { path: dir });
  const json = await parsed(dir);
  const settings = await optional(join(dir, 'tokenizer_config.json'));
  const config = await optional(join(dir, 'config.json'));
  const hash = createHash('sha256')
    .update(await reading(path, () => readFile(path)))
    .update(JSON.stringify([settings, config['bos_token_id'] ?? null, config['eos_token_id'] ?? null]))
    .digest('hex');
  const build = (form: JsonObject): Tokenizer => {
    try {
      return new Tokenizer(form, settings);
    } catch (error) {
      return refuse('checkpoint/bad-tokenizer', { path: dir, why: (error as Error).message });
    }
  };
  const whole = build(json);
  const pieces = build(continuing(json));
  const size = sizeOf(json);
  const numbered = (ids: readonly (number | undefined)[]): number[] => {
    if (ids.some((id) => !Number.isSafeInteger(id)))
      refuse('checkpoint/bad-tokenizer', {
        path: dir,
        why: 'it has no token, not even an unknown one, for a part of the text',
      });
    const beyond = ids.find((id) => id! >= vocab);
    if (beyond !== undefined)
      refuse('checkpoint/bad-tokenizer', {
        path: dir,
        why: `it makes the token ${beyond}, but the model has rows for ${vocab}`,
      });
    return ids as number[];
  };
  const specials = new Set(
    addedOf(json)
      .filter((token) => token['special'] === true)
      .map((token) => token['id']),
  );
  const clean = settings['clean_up_tokenization_spaces'] === true;
  const decode = (tokens: readonly number[], special: boolean): string => {
    const kept = special ? [...tokens] : tokens.filter((token) => !specials.has(token));
    return kept.length === 0
      ? ''
      : whole.decode(kept, { skip_special_tokens: false, clean_up_tokenization_spaces: clean });
  };
  const encode = (text: string, add: boolean): number[] =>
    numbered(whole.encode(text, { add_special_tokens: add }).ids);
  const eos = special('eos', settings, config, whole);
  return {
    kind: String((json['model'] as JsonObject)['type'] ?? 'unknown'),
    size,
    hash,
    eos,
    bos: special('bos', settings, config, whole),
    frame: frameOf(encode('a', false), encode('a', true), eos),
    encode: (text, options) => encode(text, options?.special ?? true),
    encodeOn: (text) => numbered(pieces.encode(text, { add_special_tokens: false }).ids),
    decode: (tokens, options) => decode(tokens, options?.special ?? false),
    stream: (before = []) => streaming((tokens) => decode(tokens, false), before),
  };
}

/** A special token by its role: named in tokenizer_config.json, numbered in config.json. */
function special(
  role: 'bos' | 'eos',
  settings: JsonObject,
  config: JsonObject,
  tokenizer: Tokenizer,
): number | null {
  const named = settings[`${role}_token`];
  const text = isObject(named) ? named['content'] : named;
  if (typeof text === 'string') {
    const id = tokenizer.token_to_id(text);
    if (id !== undefined) return id;
  }
  const numbered = config[`${role}_token_id`];
  const first = Array.isArray(numbered) ? numbered[0] : numbered;
  return typeof first === 'number' ? first : null;
}

/** What `dressed` has around `plain`, and the end-of-text token unless it is there already. */
function frameOf(
  plain: readonly number[],
  dressed: readonly number[],
  eos: number | null,
): TextTokenizer['frame'] {
  const at =
    plain.length === 0
      ? dressed.length
      : dressed.findIndex((_, i) => plain.every((token, j) => dressed[i + j] === token));
  const before = at < 0 ? [] : dressed.slice(0, at);
  const after = at < 0 ? [] : dressed.slice(at + plain.length);
  return { before, after: eos === null || after.at(-1) === eos ? after : [...after, eos] };
}

/**
 * A decoder looks at its neighbours (spaces, split characters), so each piece is the difference of two
 * decodings that share a start.
 */
function streaming(
  decode: (tokens: readonly number[]) => string,
  before: readonly number[],
): { push(token: number): string; end(): string } {
  let window = before.slice(-8);
  let said = decode(window);
  let fresh = 0;
  const take = (text: string): string => {
    let same = 0;
    while (same < said.length && text[same] === said[same]) same++;
    said = text;
    return text.slice(same);
  };
  return {
    push(token) {
      window = [...window, token];
      fresh++;
      const text = decode(window);
      if (text.endsWith('\ufffd') && fresh < 8) return ''; // a character whose bytes are not all here yet
      const piece = take(text);
      fresh = 0;
      if (window.length > 32) {
        window = window.slice(-8);
        said = decode(window);
      }
      return piece;
    },
    end: () => (fresh > 0 ? take(decode(window)) : ''),
  };
}
