/**
 * @file Tokenizers that come from SentencePiece, as llama.cpp reads them: it merges the two neighbours whose joined
 * text is the token with the highest score, where tokenizer.json lists the merges themselves.
 */
import { toText, type JsonObject } from '../../base/json.ts';
import { isObject } from '../fs/files.ts';
import { listParts } from './pipeline-parts.ts';
import type { TokenizerJson } from './tokenizer-files.ts';

const space = '▁';

const isSpaceReplacement = (part: JsonObject): boolean =>
  part['type'] === 'Replace' &&
  isObject(part['pattern']) &&
  part['pattern']['String'] === ' ' &&
  part['content'] === space;

const isPrefix = (part: JsonObject): boolean => part['type'] === 'Prepend' && part['prepend'] === space;

/** A Split at spaces has no effect once the normalizer has replaced them. */
const isSpaceSplit = (part: JsonObject): boolean =>
  part['type'] === 'Split' && isObject(part['pattern']) && part['pattern']['String'] === ' ';

const isMetaspace = (part: JsonObject): boolean =>
  part['type'] === 'Metaspace' && toText(part['replacement'] ?? space) === space;

/** Whether a text gets a space before it; undefined if spaces are not only replaced by ▁. */
export function hasSpacePrefix({
  normalizer,
  pre_tokenizer: preTokenizer,
}: TokenizerJson): boolean | undefined {
  const before = listParts(normalizer, 'normalizers');
  const after = listParts(preTokenizer, 'pretokenizers');
  if (before.length > 0) {
    const isKnown = before.every((part) => isSpaceReplacement(part) || isPrefix(part));
    if (!isKnown || !before.some(isSpaceReplacement) || !after.every(isSpaceSplit)) return undefined;
    return before.some(isPrefix);
  }
  const [metaspace, ...more] = after;
  if (!metaspace || more.length > 0 || !isMetaspace(metaspace)) return undefined;
  return metaspace['prepend_scheme'] === undefined
    ? metaspace['add_prefix_space'] !== false
    : metaspace['prepend_scheme'] !== 'never';
}

type Merges = readonly (readonly [string, string])[];

/** Scores that put tokens in the order of the merges that make them: 0, -1, -2, … */
export function listMergeScores(merges: Merges): ReadonlyMap<string, number> {
  const scores = new Map<string, number>();
  for (const [first, second] of merges) {
    const text = first + second;
    if (!scores.has(text)) scores.set(text, -scores.size);
  }
  return scores;
}

/**
 * Why merging by scores would make other tokens than the merges; undefined if it would not. `pieces` are the tokens
 * that merges may make.
 */
export function findScoreProblem(pieces: readonly string[], merges: Merges): string | undefined {
  const known = new Set(pieces);
  const pairs = new Set<string>();
  const made = new Set<string>();
  let last = '';
  for (const [first, second] of merges) {
    const text = first + second;
    // Added tokens are found in a text before it is merged.
    if (!known.has(text)) continue;
    if (text !== last && made.has(text))
      return `its merges into ${JSON.stringify(text)} do not follow each other, and llama.cpp orders merges by token`;
    made.add(text);
    last = text;
    pairs.add(`${first}\0${second}`);
  }
  for (const piece of pieces) {
    let first = '';
    for (const char of piece) {
      const second = piece.slice(first.length);
      if (first !== '' && known.has(first) && known.has(second) && !pairs.has(`${first}\0${second}`))
        return `it does not merge ${JSON.stringify(first)} and ${JSON.stringify(second)}, and llama.cpp would`;
      first += char;
    }
  }
  return undefined;
}
