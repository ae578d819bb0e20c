/**
 * @file Writes the tokenizer of a folder as the metadata of a GGUF file: texts, types and scores or merges of all
 * tokens, special tokens, and the chat template. Follows the `_set_vocab` functions of llama.cpp's converter
 * (conversion/base.py) for tokenizer.json files.
 */
import { refuse } from '../../base/errors.ts';
import { toText } from '../../base/json.ts';
import { registeredTokenizers } from '../../model/families/tokenizers.ts';
import {
  bool,
  float32s,
  int32s,
  string,
  strings,
  uint32,
  type GgufEntries,
} from '../../model/gguf/values.ts';
import { readChatTemplate } from './chat-template.ts';
import { findGgufPreTokenizer } from './gguf-pre-tokenizers.ts';
import { listParts } from './pipeline-parts.ts';
import { findScoreProblem, hasSpacePrefix, listMergeScores } from './sentence-pieces.ts';
import { buildTokenizer, getModelType, type BuiltTokenizer } from './tokenizer-build.ts';
import { readTokenizerFiles, type TokenizerJson } from './tokenizer-files.ts';
import { openTokenizer, type TextTokenizer } from './tokenizer.ts';

export interface GgufVocabulary {
  readonly entries: GgufEntries;
  /** What llama.cpp does otherwise, as sentences without a full stop. */
  readonly notes: readonly string[];
}

/** `enum llama_token_type` of llama.h. */
const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

interface Token {
  readonly text: string;
  readonly type: number;
}

type RefuseTokenizer = (why: string) => never;

/**
 * The tokenizer of a checkpoint whose token embedding has `rows` rows. Refuses `gguf/tokenizer` if llama.cpp would
 * split text otherwise, and as `openTokenizer`.
 */
export async function readGgufVocabulary(dir: string, rows: number): Promise<GgufVocabulary> {
  const files = await readTokenizerFiles(dir);
  const built = buildTokenizer(dir, files, registeredTokenizers[files.config.model_type ?? '']);
  const tokenizer = await openTokenizer(dir, rows);
  const refuseTokenizer: RefuseTokenizer = (why) => refuse('gguf/tokenizer', { path: dir, why });
  const form = describeForm(built, refuseTokenizer);
  const tokens = listTokens(built, rows, form, refuseTokenizer);
  const template = await readChatTemplate(dir);
  const { entries, notes } = createSpecialEntries(built, tokenizer, refuseTokenizer);
  return {
    entries: [
      ['tokenizer.ggml.model', string(form.model)],
      ['tokenizer.ggml.pre', string(form.pre)],
      ['tokenizer.ggml.tokens', strings(tokens.map(({ text }) => text))],
      ['tokenizer.ggml.token_type', int32s(tokens.map(({ type }) => type))],
      ...form.createEntries(tokens),
      ...entries,
      ...(template === undefined ? [] : [['tokenizer.chat_template', string(template)] as const]),
    ],
    notes,
  };
}

/** One of the kinds of tokenizers that llama.cpp has. */
interface Form {
  readonly model: 'gpt2' | 'llama';
  readonly pre: string;
  /** Whether tokens hold ▁ for spaces, and bytes as <0x0A>. */
  readonly hasPieces: boolean;
  /** What is needed beside the texts and types of tokens. */
  createEntries(tokens: readonly Token[]): GgufEntries;
}

function describeForm(built: BuiltTokenizer, refuseTokenizer: RefuseTokenizer): Form {
  const { json } = built;
  const type = getModelType(json);
  if (type !== 'BPE') return refuseTokenizer(`llama.cpp has no ${type} tokenizer for decoders`);
  if (built.splitsSpecialTokens) refuseTokenizer('it splits the text of special tokens');
  const { continuing_subword_prefix: prefix, end_of_word_suffix: suffix } = json.model;
  if (toText(prefix ?? '') !== '' || toText(suffix ?? '') !== '')
    refuseTokenizer('its tokens mark the parts of words, which llama.cpp does not know');
  return json.model['byte_fallback'] === true
    ? describePieces(json, refuseTokenizer)
    : describeByteLevel(json, refuseTokenizer);
}

function listMerges({ model }: TokenizerJson): readonly (readonly [string, string])[] {
  return (model.merges ?? []).map((merge) => {
    const [first, second] = typeof merge === 'string' ? merge.split(' ') : merge;
    return [first!, second!];
  });
}

/** Byte-level BPE, as that of GPT-2. */
function describeByteLevel(json: TokenizerJson, refuseTokenizer: RefuseTokenizer): Form {
  const parts = listParts(json.pre_tokenizer, 'pretokenizers');
  const byteLevel = parts.find(({ type }) => type === 'ByteLevel');
  if (!byteLevel) return refuseTokenizer('it is neither byte-level nor has it tokens for single bytes');
  if (byteLevel['add_prefix_space'] === true)
    refuseTokenizer('it puts a space before a text, which llama.cpp does not do for byte-level tokenizers');
  const changes = listParts(json.normalizer, 'normalizers').filter(({ type }) => type !== 'NFC');
  if (changes.length > 0)
    refuseTokenizer(`its normalizer ${toText(changes[0]!['type'])} is not known to llama.cpp`);
  const pre =
    findGgufPreTokenizer(json) ?? refuseTokenizer('no pre-tokenizer of llama.cpp splits words like it');
  const merges = listMerges(json).map((pair) => pair.join(' '));
  return {
    model: 'gpt2',
    pre,
    hasPieces: false,
    createEntries: () => [['tokenizer.ggml.merges', strings(merges)]],
  };
}

/** BPE over characters with ▁ for spaces, as SentencePiece makes it. llama.cpp merges by the scores of tokens. */
function describePieces(json: TokenizerJson, refuseTokenizer: RefuseTokenizer): Form {
  const hasPrefix = hasSpacePrefix(json) ?? refuseTokenizer('it changes spaces otherwise than SentencePiece');
  const { vocab } = json.model;
  const lacksBytes = Array.from({ length: 256 }, (_, byte) => byte).some(
    (byte) => !Object.hasOwn(vocab, toBytePiece(byte)) && !Object.hasOwn(vocab, String.fromCharCode(byte)),
  );
  if (lacksBytes) refuseTokenizer('it has no tokens for some single bytes, and llama.cpp needs them');
  const merges = listMerges(json);
  return {
    model: 'llama',
    pre: 'default',
    hasPieces: true,
    createEntries(tokens) {
      const isNormal = (text: string, id: number): boolean =>
        tokens[id]!.type === tokenTypes.normal && tokens[id]!.text === text;
      const pieces = Object.entries(vocab as Readonly<Record<string, number>>)
        .filter(([text, id]) => isNormal(text, id))
        .map(([text]) => text);
      const problem = findScoreProblem(pieces, merges);
      if (problem !== undefined) refuseTokenizer(problem);
      const scores = listMergeScores(merges);
      return [
        ['tokenizer.ggml.scores', float32s(tokens.map(({ text, type }) => scoreOf(type, scores.get(text))))],
        ['tokenizer.ggml.add_space_prefix', bool(hasPrefix)],
      ];
    },
  };
}

/** The score of a token. Those that no merge makes are never made by scores either. */
function scoreOf(type: number, merged: number | undefined): number {
  if (type === tokenTypes.unused) return -10_000_000;
  return type === tokenTypes.normal ? (merged ?? -1_000_000) : 0;
}

const bytePiece = /^<0x[0-9A-F]{2}>$/;
const toBytePiece = (byte: number): string => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;

/** All tokens by id. Rows of the embedding without a token get one that no text has. */
function listTokens(
  { json, namedTokens, defaultTokens }: BuiltTokenizer,
  rows: number,
  { hasPieces }: Form,
  refuseTokenizer: RefuseTokenizer,
): readonly Token[] {
  const tokens: (Token | undefined)[] = Array.from({ length: rows });
  const put = (id: number, token: Token): void => {
    if (id >= rows)
      refuseTokenizer(`it has the token ${id}, but the embedding of the model has ${rows} rows`);
    tokens[id] = token;
  };
  const unknown = json.model.unk_token ?? namedTokens['unk_token'] ?? defaultTokens['unk_token'];
  const typeOf = (text: string): number => {
    if (hasPieces && bytePiece.test(text)) return tokenTypes.byte;
    return hasPieces && text === unknown ? tokenTypes.unknown : tokenTypes.normal;
  };
  for (const [text, id] of Object.entries(json.model.vocab as Readonly<Record<string, number>>))
    put(id, { text, type: typeOf(text) });
  for (const { id, content, special } of json.added_tokens) {
    if (hasPieces && content === unknown) continue;
    // llama.cpp finds added tokens in a text before it replaces spaces.
    const text = hasPieces && !special ? content.replaceAll('▁', ' ') : content;
    put(id, { text, type: special ? tokenTypes.control : tokenTypes.userDefined });
  }
  const all = tokens.map((token, id) => token ?? { text: `[PAD${id}]`, type: tokenTypes.unused });
  const seen = new Set<string>();
  for (const { text } of all) {
    if (seen.has(text)) refuseTokenizer(`two of its tokens have the text ${JSON.stringify(text)}`);
    seen.add(text);
  }
  return all;
}

/** The entries of special tokens, and whether a text begins and ends with one. */
function createSpecialEntries(
  built: BuiltTokenizer,
  { bos, eos, documentTokens }: TextTokenizer,
  refuseTokenizer: RefuseTokenizer,
): GgufVocabulary {
  const find = (role: string): number | undefined => {
    const text = built.namedTokens[role];
    return built.json.added_tokens.find(({ content }) => content === text)?.id;
  };
  const ids = {
    bos: bos ?? undefined,
    eos: eos ?? undefined,
    unknown: find('unk_token'),
    padding: find('pad_token'),
  };
  const { before, after } = documentTokens;
  const adds = (tokens: readonly number[], id: number | null, where: string): boolean => {
    if (tokens.length === 0) return false;
    return tokens.length === 1 && tokens[0] === id
      ? true
      : refuseTokenizer(`it puts other tokens ${where} a text than llama.cpp does`);
  };
  return {
    entries: [
      ...Object.entries(ids).flatMap(([role, id]) =>
        id === undefined ? [] : [[`tokenizer.ggml.${role}_token_id`, uint32(id)] as const],
      ),
      ['tokenizer.ggml.add_bos_token', bool(adds(before, bos, 'before'))],
      ['tokenizer.ggml.add_eos_token', bool(adds(after, eos, 'after'))],
    ],
    notes: eos === null ? ['the tokenizer names no end-of-text token, and llama.cpp assumes one'] : [],
  };
}
