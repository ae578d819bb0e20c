/**
 * @file The tokenizer classes of transformers 5 that build their own pipeline: they take vocabulary and merges
 * from the folder, and set normalizer, pre-tokenizer, decoder and special tokens themselves. Must agree with
 * transformers 5.24 (models/*\/tokenization_*.py); every other class uses tokenizer.json as it is.
 */
import type { JsonObject } from '../../base/json.ts';
import type { RegisteredTokenizer } from '../../model/families/tokenizers.ts';
import type { Component, TokenizerJson, TokenizerSettings } from './tokenizer-files.ts';

export type Merges = readonly (string | readonly string[])[];

export interface ClassInput {
  readonly vocab: Readonly<Record<string, number>>;
  readonly merges: Merges;
  readonly settings: TokenizerSettings;
  /** The text of a special token: that of the settings, or the default of the class. */
  readonly getToken: (name: string) => string | undefined;
}

export type Pipeline = Pick<TokenizerJson, 'normalizer' | 'pre_tokenizer' | 'decoder' | 'model'>;

export interface TokenizerClass {
  /** The model that its vocabulary is for. */
  readonly modelType: 'BPE' | 'WordPiece';
  /** The files that it opens without a tokenizer.json. */
  readonly vocabFile?: 'vocab.json' | 'vocab.txt';
  /** Special tokens that it has unless the settings name others. */
  readonly tokens: Readonly<Record<string, string>>;
  /** Further special tokens. */
  readonly extraTokens?: readonly string[];
  /**
   * Where the post-processor comes from: the file, the settings add_bos_token and add_eos_token, or the class.
   * Default: the file, else the settings.
   */
  readonly postProcessor?: 'settings' | 'cls-sep';
  /** The default of add_bos_token, if the class sets it. */
  readonly addBosToken?: boolean;
  /** True if it marks all special tokens as plain text without white space around. */
  readonly resetsTokens?: boolean;
  build(input: ClassInput): Pipeline;
}

const byteLevel = (add_prefix_space: boolean, use_regex = true): JsonObject => ({
  type: 'ByteLevel',
  add_prefix_space,
  trim_offsets: true,
  use_regex,
});

function bpe({ vocab, merges }: ClassInput, more: JsonObject): Pipeline['model'] {
  return {
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    ...more,
    vocab,
    merges,
  };
}

/** Decoders of tokenizers that come from SentencePiece. */
const pieceDecoder = (strip: boolean): Component => ({
  type: 'Sequence',
  decoders: [
    { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    ...(strip ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
  ],
});

const metaspace = (prepend_scheme: 'always' | 'first' | 'never'): Component => ({
  type: 'Metaspace',
  replacement: '▁',
  prepend_scheme,
  split: false,
});

/** Byte-level BPE of the class of GPT-2 and its relatives. */
const buildByteLevel = (input: ClassInput, normalizer: Component): Pipeline => ({
  normalizer,
  pre_tokenizer: byteLevel(input.settings.add_prefix_space ?? false),
  decoder: byteLevel(true),
  model: bpe(input, {}),
});

const qwen2Pattern = [
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)",
  '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+',
  '\\p{N}',
  ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*',
  '\\s*[\\r\\n]+',
  '\\s+(?!\\S)',
  '\\s+',
].join('|');

const endOfText = '<|endoftext|>';
const sentencePieceTokens = { unk_token: '<unk>', bos_token: '<s>', eos_token: '</s>' };

export const tokenizerClasses: Readonly<Record<string, TokenizerClass>> = {
  GPT2Tokenizer: {
    modelType: 'BPE',
    vocabFile: 'vocab.json',
    tokens: { unk_token: endOfText, bos_token: endOfText, eos_token: endOfText },
    build: (input) => buildByteLevel(input, null),
  },
  GPTNeoXTokenizer: {
    modelType: 'BPE',
    vocabFile: 'vocab.json',
    tokens: { unk_token: endOfText, bos_token: endOfText, eos_token: endOfText, pad_token: '<|padding|>' },
    postProcessor: 'settings',
    build: (input) => buildByteLevel(input, { type: 'NFC' }),
  },
  Qwen2Tokenizer: {
    modelType: 'BPE',
    vocabFile: 'vocab.json',
    tokens: { unk_token: endOfText, eos_token: endOfText, pad_token: endOfText },
    resetsTokens: true,
    build: (input) => ({
      normalizer: { type: 'NFC' },
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Split', pattern: { Regex: qwen2Pattern }, behavior: 'Isolated', invert: false },
          byteLevel(input.settings.add_prefix_space ?? false, false),
        ],
      },
      decoder: byteLevel(true),
      model: bpe(input, {}),
    }),
  },
  LlamaTokenizer: {
    modelType: 'BPE',
    tokens: sentencePieceTokens,
    build(input) {
      const hasPrefix = input.settings.add_prefix_space ?? true;
      const scheme = input.settings.legacy === true ? 'always' : 'first';
      return {
        normalizer: null,
        pre_tokenizer: metaspace(hasPrefix ? scheme : 'never'),
        decoder: pieceDecoder(hasPrefix),
        model: bpe(input, { fuse_unk: true, byte_fallback: true }),
      };
    },
  },
  CodeLlamaTokenizer: {
    modelType: 'BPE',
    tokens: sentencePieceTokens,
    extraTokens: ['▁<PRE>', '▁<MID>', '▁<SUF>', '▁<EOT>', '<FILL_ME>'],
    addBosToken: true,
    build: (input) => ({
      normalizer: null,
      pre_tokenizer: metaspace((input.settings.add_prefix_space ?? true) ? 'first' : 'never'),
      decoder: pieceDecoder(true),
      model: bpe(input, {
        fuse_unk: true,
        byte_fallback: true,
        unk_token: input.getToken('unk_token') ?? null,
      }),
    }),
  },
  GemmaTokenizer: {
    modelType: 'BPE',
    tokens: {
      unk_token: '<unk>',
      bos_token: '<bos>',
      eos_token: '<eos>',
      pad_token: '<pad>',
      mask_token: '<mask>',
    },
    build: (input) => ({
      normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      pre_tokenizer: {
        type: 'Split',
        pattern: { String: ' ' },
        behavior: 'MergedWithPrevious',
        invert: false,
      },
      decoder: pieceDecoder(false),
      model: bpe(input, {
        fuse_unk: true,
        byte_fallback: true,
        unk_token: input.getToken('unk_token') ?? null,
      }),
    }),
  },
  CohereTokenizer: {
    modelType: 'BPE',
    tokens: {
      unk_token: '<UNK>',
      bos_token: '<BOS_TOKEN>',
      eos_token: '<|END_OF_TURN_TOKEN|>',
      pad_token: '<PAD>',
      cls_token: '<CLS>',
      sep_token: '<SEP>',
      mask_token: '<MASK_TOKEN>',
    },
    build(input) {
      const spaced = byteLevel(input.settings.add_prefix_space ?? false);
      return {
        normalizer: { type: 'NFC' },
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: [{ type: 'Digits', individual_digits: true }, spaced],
        },
        decoder: spaced,
        model: bpe(input, {}),
      };
    },
  },
  BertTokenizer: {
    modelType: 'WordPiece',
    vocabFile: 'vocab.txt',
    tokens: {
      unk_token: '[UNK]',
      sep_token: '[SEP]',
      pad_token: '[PAD]',
      cls_token: '[CLS]',
      mask_token: '[MASK]',
    },
    postProcessor: 'cls-sep',
    build: ({ vocab, settings, getToken }) => ({
      normalizer: {
        type: 'BertNormalizer',
        clean_text: true,
        handle_chinese_chars: settings.tokenize_chinese_chars ?? true,
        strip_accents: settings.strip_accents ?? null,
        lowercase: settings.do_lower_case ?? true,
      },
      pre_tokenizer: { type: 'BertPreTokenizer' },
      decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
      model: {
        type: 'WordPiece',
        unk_token: getToken('unk_token') ?? '[UNK]',
        continuing_subword_prefix: '##',
        max_input_chars_per_word: 100,
        vocab,
      },
    }),
  },
};

/** The class of transformers that adds nothing to tokenizer.json but special tokens. */
export const plainClass = 'TokenizersBackend';

/**
 * The name of the class that AutoTokenizer opens a folder with: `named` by its files, or `registered` for its
 * model type. A class that sets spaces as ▁ is not used for a byte-level tokenizer.json.
 */
export function chooseTokenizerClass(
  named: string | undefined,
  registered: RegisteredTokenizer | undefined,
  isByteLevel: boolean,
): string {
  const own = named?.replace(/Fast$/, '');
  if (own === 'LlamaTokenizer' && isByteLevel && registered?.always !== true) return plainClass;
  if (own === undefined) return registered?.class ?? plainClass;
  if (registered === undefined || registered.class === own) return own;
  if (registered.class === plainClass) return plainClass;
  return registered.always === true ? registered.class : own;
}
