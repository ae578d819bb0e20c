/**
 * @file The pre-tokenizers of llama.cpp that split text as those of tokenizer.json do. llama.cpp knows them by a name
 * in `tokenizer.ggml.pre`; its converter finds the name by hashing the tokens of a text, here it is found by the
 * patterns themselves. Must agree with `llm_tokenizer_bpe` in llama.cpp's src/llama-vocab.cpp.
 */
import { toText, type JsonObject } from '../../base/json.ts';
import { isObject } from '../fs/files.ts';
import { listParts } from './pipeline-parts.ts';
import type { TokenizerJson } from './tokenizer-files.ts';

interface PreTokenizer {
  /** The name in llama.cpp. */
  readonly name: string;
  /** The parts of the pre-tokenizer, as `describePart` writes them. */
  readonly parts: readonly string[];
  /** Whether a word that is a token is never split by merges. Default: either is right. */
  readonly ignoresMerges?: boolean;
}

const gpt2Words = 'words of GPT-2';
const bytes = 'bytes';
const digits = 'single digits';

const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const letters = '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+';
const symbols = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*';
const spaces = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const cl100k = [contractions, letters, '\\p{N}{1,3}', symbols, spaces].join('|');
const qwen2 = [contractions, letters, '\\p{N}', symbols, spaces].join('|');
const qwen35 = [
  contractions,
  '[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+',
  '\\p{N}',
  ' ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*',
  spaces,
].join('|');
const upper = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
const lower = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';
const cased = (end: string): readonly string[] => [
  `[^\\r\\n\\p{L}\\p{N}]?${upper}*${lower}+${end}`,
  `[^\\r\\n\\p{L}\\p{N}]?${upper}+${lower}*${end}`,
];
const symbolsAndSlash = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*';
const o200k = [...cased(`${contractions}?`), '\\p{N}{1,3}', symbolsAndSlash, spaces].join('|');
const tekken = [...cased(''), '\\p{N}', symbolsAndSlash, spaces].join('|');

const preTokenizers: readonly PreTokenizer[] = [
  { name: 'gpt-2', parts: [gpt2Words] },
  { name: 'smollm', parts: [digits, gpt2Words] },
  { name: 'llama-bpe', parts: [cl100k, bytes], ignoresMerges: true },
  { name: 'dbrx', parts: [cl100k, bytes], ignoresMerges: false },
  { name: 'qwen2', parts: [qwen2, bytes], ignoresMerges: false },
  { name: 'qwen35', parts: [qwen35, bytes], ignoresMerges: false },
  { name: 'gpt-4o', parts: [o200k, bytes], ignoresMerges: false },
  { name: 'tekken', parts: [tekken, bytes], ignoresMerges: true },
  {
    name: 'deepseek-v3',
    parts: [
      '\\p{N}{1,3}',
      '[一-龥぀-ゟ゠-ヿ]+',
      '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+' +
        '| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+',
      bytes,
    ],
    ignoresMerges: false,
  },
  { name: 'bloom', parts: [' ?[^(\\s|[.,!?…。，、।۔،])]+', bytes], ignoresMerges: false },
];

/** A part of a pre-tokenizer as text; undefined for one that llama.cpp has in no pattern. */
function describePart(part: JsonObject): string | undefined {
  switch (toText(part['type'])) {
    case 'ByteLevel':
      return part['use_regex'] === false ? bytes : gpt2Words;
    case 'Digits':
      return part['individual_digits'] === true ? digits : undefined;
    case 'Split':
      return describeSplit(part);
    default:
      return undefined;
  }
}

/** The expression of a Split whose matches are the pieces. These expressions match everything. */
function describeSplit(part: JsonObject): string | undefined {
  const pattern = isObject(part['pattern']) ? part['pattern'] : {};
  const isInverted = part['invert'] === true;
  const keepsMatches = isInverted ? part['behavior'] === 'Removed' : part['behavior'] === 'Isolated';
  // Raw line breaks in a pattern mean the same as escaped ones.
  return keepsMatches && typeof pattern['Regex'] === 'string'
    ? pattern['Regex'].replaceAll('\n', '\\n').replaceAll('\r', '\\r')
    : undefined;
}

/** The name of the pre-tokenizer of a byte-level tokenizer in llama.cpp; undefined if it has none like it. */
export function findGgufPreTokenizer({ pre_tokenizer, model }: TokenizerJson): string | undefined {
  const parts = listParts(pre_tokenizer, 'pretokenizers').map(describePart);
  const ignoresMerges = model['ignore_merges'] === true;
  return preTokenizers.find(
    (known) =>
      known.parts.length === parts.length &&
      known.parts.every((part, i) => part === parts[i]) &&
      (known.ignoresMerges ?? ignoresMerges) === ignoresMerges,
  )?.name;
}
