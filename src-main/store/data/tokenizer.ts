/**
 * @file Opens the tokenizer of a checkpoint with Hugging Face's library (Rust, through its Node binding):
 * encodes texts and chunks of documents, and decodes tokens.
 */
import { createHash } from 'node:crypto';
import { Tokenizer, type Encoding } from 'tokenizers';
import { AppError, refuse } from '../../base/errors.ts';
import { toText, type JsonObject } from '../../base/json.ts';
import { readJsonInside } from '../fs/inside.ts';
import { registeredTokenizers } from '../../model/families/tokenizers.ts';
import type { TextChunk } from './chunks.ts';
import { cleanUpSpaces } from './clean-up-spaces.ts';
import { createCutRule, withoutEndRules, type CutRule } from './cut-rule.ts';
import { createDecodeStream, type DecodeStream } from './decode-stream.ts';
import { readDecoderRules } from './decoder-rules.ts';
import { buildTokenizer, getModelType, type BuiltTokenizer } from './tokenizer-build.ts';
import { readTokenizerFiles, type TokenizerFiles, type TokenizerJson } from './tokenizer-files.ts';

/** The library that makes the tokens. Part of the token cache's key; a test compares it with package.json. */
export const tokenizerLibrary = { name: 'tokenizers', version: '0.23.2' } as const;

/** The tokens around each document. */
export interface DocumentTokens {
  /** Those that the post-processor puts before and after a text. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** The end-of-text token, unless the post-processor puts it last. */
  readonly appended: readonly number[];
}

/** A chunk as the tokenizer reads it. */
type ChunkInput = Pick<TextChunk, 'text' | 'before'>;

/** The ids of a chunk, and the tokens as the library names them. */
export interface ChunkTokens {
  readonly ids: number[];
  readonly tokens: string[];
}

export interface TextTokenizer {
  /** BPE, Unigram, WordPiece or WordLevel. */
  readonly modelType: string;
  /** One more than the largest token id. */
  readonly vocabSize: number;
  readonly bos: number | null;
  readonly eos: number | null;
  /** Hash of everything that decides the tokens of a text. */
  readonly hash: string;
  readonly documentTokens: DocumentTokens;
  /** What transformers changes of the files, as sentences. */
  readonly notes: readonly string[];
  /** Where a text may be cut into chunks. */
  readonly canCut: CutRule;
  /** Encodes a text. `addSpecialTokens` (default true) adds those of the post-processor, such as BOS. */
  encode(text: string, options?: { readonly addSpecialTokens?: boolean }): Promise<number[]>;
  /** Encodes chunks of documents, without special tokens, on all cores. */
  encodeChunks(chunks: readonly ChunkInput[]): Promise<number[][]>;
  /** As `encodeChunks`, with the texts of the tokens. */
  listChunkTokens(chunks: readonly ChunkInput[]): Promise<ChunkTokens[]>;
  /** Decodes tokens. `skipSpecialTokens` (default true) leaves special tokens out. */
  decode(tokens: readonly number[], options?: { readonly skipSpecialTokens?: boolean }): Promise<string>;
  /** Decodes the tokens that continue `context` one by one. */
  createDecodeStream(context?: readonly number[]): DecodeStream;
  /** The text of a token in the vocabulary; null for an id that it does not have. */
  getTokenText(token: number): string | null;
}

/** The model type and the vocabulary size of a folder's tokenizer; null if it has none that can be read. */
export async function readTokenizerInfo(
  dir: string,
): Promise<{ readonly kind: string; readonly size: number } | null> {
  let files: TokenizerFiles;
  try {
    files = await readTokenizerFiles(dir);
  } catch (error) {
    const code = error instanceof AppError ? error.code : '';
    if (code === 'checkpoint/no-tokenizer' || code === 'checkpoint/sentencepiece-only') return null;
    throw error;
  }
  const { tokenizer, vocab, source } = files;
  if (tokenizer) return { kind: getModelType(tokenizer), size: computeVocabSize(tokenizer) };
  const ids = [...Object.values(vocab!), ...Object.values(files.addedTokens)];
  return { kind: source === 'vocab.txt' ? 'WordPiece' : 'BPE', size: getLargest(ids) + 1 };
}

const getLargest = (ids: Iterable<number>): number => {
  let largest = -1;
  for (const id of ids) if (id > largest) largest = id;
  return largest;
};

/** One more than the largest id of the vocabulary and the added tokens. */
function computeVocabSize({ model, added_tokens: added }: TokenizerJson): number {
  const { vocab } = model;
  const largest = Array.isArray(vocab)
    ? vocab.length - 1
    : getLargest(Object.values(vocab as Readonly<Record<string, number>>));
  return Math.max(largest, getLargest(added.map(({ id }) => id))) + 1;
}

/** The rows of the token embedding that config.json names; Infinity if it names none. */
export async function readVocabRows(dir: string): Promise<number> {
  const rows = (await readJsonInside(dir, 'config.json').catch(() => undefined))?.['vocab_size'];
  return typeof rows === 'number' ? rows : Infinity;
}

/**
 * Opens the tokenizer of a checkpoint folder, as AutoTokenizer of transformers does. Refuses
 * `checkpoint/no-tokenizer`, `checkpoint/sentencepiece-only` and `checkpoint/bad-tokenizer`; the last also
 * when a text has a token id of at least `vocabSize`, the rows of the model's token embedding.
 */
export async function openTokenizer(dir: string, vocabSize = Infinity): Promise<TextTokenizer> {
  const files = await readTokenizerFiles(dir);
  const built = buildTokenizer(dir, files, registeredTokenizers[files.config.model_type ?? '']);
  const refuseTokenizer = (why: string): never => refuse('checkpoint/bad-tokenizer', { path: dir, why });
  const encoder = createEncoder(built, vocabSize, refuseTokenizer);
  const { library } = encoder;
  const eos = findSpecialToken('eos', built, files, library);
  const decode = createDecode(library);
  const specialIds = new Set(built.json.added_tokens.filter(({ special }) => special).map(({ id }) => id));
  const rules = readDecoderRules(built.json.decoder, () => listTokens(built.json));
  let canCut: CutRule | undefined;
  return {
    modelType: getModelType(built.json),
    vocabSize: computeVocabSize(built.json),
    hash: computeHash(files),
    bos: findSpecialToken('bos', built, files, library),
    eos,
    documentTokens: await findDocumentTokens(encoder, eos),
    notes: built.notes,
    canCut: (before, after, next) => {
      canCut ??= createCutRule(built.json, createNormalize(built.json));
      return canCut(before, after, next);
    },
    encode: (text, options) => encoder.encode(text, options?.addSpecialTokens ?? true),
    encodeChunks: (chunks) => encoder.encodeChunks(chunks, (encoding) => encoding.getIds()),
    listChunkTokens: async (chunks) => {
      const all = await encoder.encodeChunks(chunks, (encoding) => {
        const tokens = encoding.getTokens();
        return encoding.getIds().map((id, i) => ({ id, token: tokens[i]! }));
      });
      return all.map((pairs) => ({
        ids: pairs.map(({ id }) => id),
        tokens: pairs.map(({ token }) => token),
      }));
    },
    decode: async (tokens, options) => {
      const text = await decode(tokens, options?.skipSpecialTokens ?? true);
      return built.cleansSpaces ? cleanUpSpaces(text) : text;
    },
    createDecodeStream: (context = []) =>
      createDecodeStream(context, {
        decode: (tokens) => decode(tokens, true),
        rules,
        getTokenText: (token) =>
          specialIds.has(token) ? undefined : (library.idToToken(token) ?? undefined),
        cleansSpaces: built.cleansSpaces,
      }),
    getTokenText: (token) => library.idToToken(token),
  };
}

const listTokens = ({ model, added_tokens: added }: TokenizerJson): string[] => {
  const base = Array.isArray(model.vocab)
    ? model.vocab.map((entry) => toText((entry as unknown[])[0]))
    : Object.keys(model.vocab);
  return [...base, ...added.map(({ content }) => content)];
};

const computeHash = ({ contents }: TokenizerFiles): string => {
  const hash = createHash('sha256').update(`${tokenizerLibrary.name} ${tokenizerLibrary.version}\n`);
  for (const content of contents) hash.update(content).update('\n');
  return hash.digest('hex');
};

/** Bytes that the library holds for a token of an encoding, about. */
const bytesPerToken = 100;

/**
 * Lets V8 collect encodings in time. It does not see the memory that the library holds for them, but counts that
 * of an array buffer, whose pages are never touched.
 */
const announceMemory = (bytes: number): number => new ArrayBuffer(bytes).byteLength;

interface Encoder {
  /** Knows all added tokens. */
  readonly library: Tokenizer;
  encode(text: string, addSpecialTokens: boolean): Promise<number[]>;
  /** Encodes chunks; `read` takes a list with an item per token from an encoding. */
  encodeChunks<T>(chunks: readonly ChunkInput[], read: (encoding: Encoding) => T[]): Promise<T[][]>;
  /** Which tokens of a text are special tokens of the post-processor; undefined if it cannot be encoded. */
  findSpecial(text: string): Promise<{ readonly ids: number[]; readonly isSpecial: boolean[] } | undefined>;
}

function createEncoder(
  { json, splitsSpecialTokens }: BuiltTokenizer,
  vocabSize: number,
  refuseTokenizer: (why: string) => never,
): Encoder {
  const build = (form: TokenizerJson): Tokenizer => {
    try {
      return Tokenizer.fromString(JSON.stringify(form));
    } catch (error) {
      return refuseTokenizer((error as Error).message);
    }
  };
  const library = build(json);
  // With split_special_tokens, the text of a special token is encoded as any other text.
  const encoding = splitsSpecialTokens
    ? build({ ...json, added_tokens: json.added_tokens.filter(({ special }) => !special) })
    : library;
  const run = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      const { message } = error as Error;
      const isUnknown = /unk/i.test(message);
      return refuseTokenizer(
        isUnknown ? `it has no token for a part of the text, and no unknown token (${message})` : message,
      );
    }
  };
  const checkIds = (ids: number[]): number[] => {
    const beyond = ids.find((id) => id >= vocabSize);
    if (beyond !== undefined)
      refuseTokenizer(`it gives the token ${beyond}, but the embedding of the model has ${vocabSize} rows`);
    return ids;
  };
  const encode = async (text: string, addSpecialTokens: boolean): Promise<Encoding> =>
    run(() => encoding.encode(text, null, { addSpecialTokens }));
  const contexts = new Map<string, number[]>();
  const encodeContext = async (char: string): Promise<number[]> => {
    let ids = contexts.get(char);
    if (!ids) {
      ids = (await encode(char, false)).getIds();
      contexts.set(char, ids);
    }
    return ids;
  };
  return {
    library,
    encode: async (text, addSpecialTokens) => checkIds((await encode(text, addSpecialTokens)).getIds()),
    async encodeChunks(chunks, read) {
      // A chunk is encoded behind the character before it, whose tokens are then left out: a tokenizer that
      // adds a space at the beginning of a text adds it there.
      const texts = chunks.map(({ text, before }) => before + text);
      const encodings = await run(() => encoding.encodeBatch(texts, { addSpecialTokens: false }));
      const all = [];
      for (const [i, { before }] of chunks.entries()) {
        const ids = checkIds(encodings[i]!.getIds());
        const context = before === '' ? [] : await encodeContext(before);
        if (context.some((id, at) => ids[at] !== id))
          throw new Error(`a cut behind ${JSON.stringify(before)} changed the tokens of the text`);
        const items = read(encodings[i]!);
        all.push(context.length > 0 ? items.slice(context.length) : items);
      }
      const tokens = all.reduce((n, items) => n + items.length, 0);
      announceMemory(tokens * bytesPerToken);
      return all;
    },
    async findSpecial(text) {
      try {
        const found = await encoding.encode(text, null, { addSpecialTokens: true });
        return { ids: found.getIds(), isSpecial: found.getSpecialTokensMask().map((flag) => flag === 1) };
      } catch {
        return undefined;
      }
    },
  };
}

/** The normalizer of a tokenizer, without the parts that only change the ends of a text. */
function createNormalize({ normalizer }: TokenizerJson): (text: string) => string {
  if (normalizer === null) return (text) => text;
  const form: JsonObject = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: withoutEndRules(normalizer),
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    model: { type: 'WordLevel', vocab: { a: 0 }, unk_token: 'a' },
  };
  const library = Tokenizer.fromString(JSON.stringify(form)).getNormalizer()!;
  return (text) => library.normalizeString(text);
}

const createDecode =
  (library: Tokenizer) =>
  async (tokens: readonly number[], skipSpecialTokens: boolean): Promise<string> => {
    if (tokens.length === 0) return '';
    return library.decode([...tokens], skipSpecialTokens);
  };

/**
 * The id of a special token: by its text in the folder's files, else by its id in config.json, else by the
 * default text of the tokenizer's class.
 */
function findSpecialToken(
  role: 'bos' | 'eos',
  { namedTokens, defaultTokens }: BuiltTokenizer,
  { config }: TokenizerFiles,
  library: Tokenizer,
): number | null {
  const find = (text: string | undefined): number | null =>
    text === undefined ? null : library.tokenToId(text);
  const named = find(namedTokens[`${role}_token`]);
  if (named !== null) return named;
  const ids = config[`${role}_token_id`];
  const first = Array.isArray(ids) ? ids[0] : ids;
  return first ?? find(defaultTokens[`${role}_token`]);
}

/** The special tokens that the post-processor puts around a text, and the end-of-text token unless it does. */
async function findDocumentTokens(
  { library, findSpecial }: Encoder,
  eos: number | null,
): Promise<DocumentTokens> {
  const samples = ['a', ' a', ...Array.from({ length: 300 }, (_, id) => library.idToToken(id) ?? '')];
  for (const sample of samples) {
    const found = await findSpecial(sample);
    const start = found?.isSpecial.indexOf(false) ?? -1;
    if (!found || start < 0) continue;
    const before = found.ids.slice(0, start);
    const after = found.ids.slice(found.isSpecial.lastIndexOf(false) + 1);
    return { before, after, appended: eos === null || after.at(-1) === eos ? [] : [eos] };
  }
  return { before: [], after: [], appended: eos === null ? [] : [eos] };
}
