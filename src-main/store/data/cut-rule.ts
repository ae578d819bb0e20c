/**
 * @file Decides where a text may be cut so that its parts, encoded one by one, give the ids of the whole. The
 * rule follows from the tokenizer: a cut between two characters is safe if the normalizer and the
 * pre-tokenizer treat both sides alone as they do together, and either the pre-tokenizer or the model always
 * begins a new token there. What a rule does not know makes no cut safe, which costs memory, not correctness.
 */
import type { JsonObject } from '../../base/json.ts';
import { isObject } from '../fs/files.ts';
import { listParts } from './pipeline-parts.ts';
import { createSplitRule } from './pre-tokenizer-rules.ts';
import { analyzeRegex } from './split-regex.ts';
import { getModelType } from './tokenizer-build.ts';
import type { TokenizerJson } from './tokenizer-files.ts';

/**
 * Whether a text may be cut between the characters `before` and `after`, the latter followed by `next` (which
 * may be a mark that changes it).
 */
export type CutRule = (before: string, after: string, next: string) => boolean;

/** Whether there is always a boundary between two neighbouring characters. */
type PairRule = (before: string, after: string) => boolean;

/**
 * Characters that are looked at: letters, digits, punctuation and spaces that are no part of a sequence of
 * marks, and that every version of Unicode since 10 has. One row per script.
 */
const knownCharacters = new RegExp(
  [
    '^[\\t\\n -~',
    '\\u00a1-\\u00ac\\u00ae-\\u024f',
    '\\u0391-\\u03a1\\u03a3-\\u03ff',
    '\\u0400-\\u0482\\u048a-\\u052f',
    '\\u05d0-\\u05ea',
    '\\u0620-\\u063f\\u0641-\\u064a',
    '\\u0904-\\u0939',
    '\\u0e01-\\u0e30',
    '\\u3001\\u3002\\u3041-\\u3096\\u30a1-\\u30fa',
    '\\u4e00-\\u9fa5',
    '\\uac00-\\ud7a3',
    '\\uff01-\\uff5e]$',
  ].join(''),
);

const isSpace = (char: string): boolean => /\s/.test(char);

/** Creates the rule of a tokenizer. `normalize` is its normalizer without what it does at the ends of a text. */
export function createCutRule(json: TokenizerJson, normalize: (text: string) => string): CutRule {
  const normalizers = listParts(json.normalizer, 'normalizers');
  const split = createSplitRule(listParts(json.pre_tokenizer, 'pretokenizers'));
  const addedTokens = createAddedTokenRule(json, normalize);
  const model = createModelRule(json);
  const decide = (before: string, after: string): boolean => {
    if (!knownCharacters.test(before) || !knownCharacters.test(after)) return false;
    const left = normalize(before).at(-1);
    const right = normalize(after)[0];
    if (left === undefined || right === undefined) return false;
    if (normalize(before + after) !== normalize(before) + normalize(after)) return false;
    const pairs = [
      [before, after],
      [left, right],
    ] as const;
    if (!pairs.every(([a, b]) => normalizers.every((part) => isLocalNormalizer(part, a, b)))) return false;
    if (!pairs.every(([a, b]) => addedTokens(a, b))) return false;
    const result = split(left, right);
    return result.isLocal && (result.isSplit || model(result.before, result.after));
  };
  const known = new Map<string, boolean>();
  return (before, after, next) => {
    const pair = before + after;
    let isSafe = known.get(pair);
    if (isSafe === undefined) {
      isSafe = decide(before, after);
      known.set(pair, isSafe);
    }
    return isSafe && knownCharacters.test(next);
  };
}

/** Normalizers that look at one character at a time, at what Unicode joins to it, or only at the ends. */
const characterNormalizers: readonly unknown[] = [
  'Lowercase',
  'NFC',
  'NFD',
  'NFKC',
  'NFKD',
  'StripAccents',
  'Nmt',
  'BertNormalizer',
  'Precompiled',
  'ByteLevel',
  'Prepend',
];

/** The normalizer without the parts that only change the beginning or the end of a text. */
export function withoutEndRules(component: JsonObject | null): JsonObject {
  const parts = listParts(component, 'normalizers');
  const normalizers = parts.filter(({ type }) => type !== 'Prepend' && type !== 'Strip');
  return { type: 'Sequence', normalizers };
}

/** Whether a normalizer gives the same for both sides of a cut alone. */
function isLocalNormalizer(part: JsonObject, before: string, after: string): boolean {
  if (part['type'] === 'Strip') return !isSpace(before);
  if (part['type'] !== 'Replace') return characterNormalizers.includes(part['type']);
  const pattern = isObject(part['pattern']) ? part['pattern'] : {};
  if (typeof pattern['String'] === 'string') {
    const text = pattern['String'];
    if ([...text].length === 1) return true;
    return !text.includes(before + after) && !text.endsWith(before) && !text.startsWith(after);
  }
  const regex = typeof pattern['Regex'] === 'string' ? analyzeRegex(pattern['Regex']) : undefined;
  if (!regex) return false;
  return regex.neverMatches(before) && regex.neverMatches(after) && regex.separates(before, after);
}

const isWord = (char: string): boolean => /[\p{L}\p{M}\p{N}\p{Pc}]/u.test(char);

/**
 * Whether an added token can neither lie across a cut nor look across it, nor end at it: the text behind an
 * added token may get a prefix, as the beginning of a text does.
 */
function createAddedTokenRule(
  { added_tokens: tokens }: TokenizerJson,
  normalize: (text: string) => string,
): PairRule {
  const forms = tokens.flatMap((token) =>
    [...new Set([token.content, normalize(token.content)])].map((content) => ({ ...token, content })),
  );
  const pairs = new Set<string>();
  const single = new Set<string>();
  const last = new Set<string>();
  for (const { content } of forms) {
    last.add(content.at(-1) ?? '');
    if (content.length === 1) single.add(content);
    for (let at = 1; at < content.length; at++) pairs.add(content.slice(at - 1, at + 1));
  }
  const strips = forms.filter(({ lstrip, rstrip }) => lstrip || rstrip);
  const words = forms.filter(({ single_word }) => single_word);
  return (before, after) => {
    if (pairs.has(before + after) || last.has(before) || single.has(after)) return false;
    if (strips.length > 0 && isSpace(before) && isSpace(after)) return false;
    // The space may belong to an added token before it.
    if (isSpace(before) && strips.some(({ rstrip }) => rstrip)) return false;
    const touches = strips.some(
      ({ content, lstrip, rstrip }) =>
        (rstrip && content.endsWith(before) && isSpace(after)) ||
        (lstrip && content.startsWith(after) && isSpace(before)),
    );
    if (touches) return false;
    return !words.some(
      ({ content }) =>
        (content.endsWith(before) && isWord(after)) || (content.startsWith(after) && isWord(before)),
    );
  };
}

/**
 * Whether the model begins a new token between two characters, whatever is around them. BPE does so if no
 * token contains both next to each other: then no merge joins them. (The best path of Unigram depends on
 * rounded sums over the whole text, so it is not cut.)
 */
function createModelRule(json: TokenizerJson): PairRule {
  const { model } = json;
  const { vocab } = model;
  const isPlainBpe =
    getModelType(json) === 'BPE' &&
    !model['continuing_subword_prefix'] &&
    !model['end_of_word_suffix'] &&
    !Array.isArray(vocab);
  if (!isPlainBpe) return () => false;
  let pairs: Set<string> | undefined;
  return (before, after) => {
    if (!Object.hasOwn(vocab, before) || !Object.hasOwn(vocab, after)) return false;
    pairs ??= collectPairs(Object.keys(vocab));
    return !pairs.has(before + after);
  };
}

/** All pairs of neighbours in these texts. */
function collectPairs(texts: readonly string[]): Set<string> {
  const pairs = new Set<string>();
  for (const text of texts) for (let at = 1; at < text.length; at++) pairs.add(text.slice(at - 1, at + 1));
  return pairs;
}
