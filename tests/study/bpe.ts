/**
 * @file Trains a byte-level BPE tokenizer (Sennrich et al. 2016; GPT-2's bytes and words) and writes it as a
 * tokenizer.json. The npm package `tokenizers` reads such a file but cannot choose a size when it trains one.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const endOfText = '<|endoftext|>';

/** GPT-2's words: contractions, letters, digits and other signs, each with the space before it, and spaces. */
const words = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/** The character that stands for each byte: itself where it is visible, else one from U+0100 on. */
const byteCharacters: readonly string[] = (() => {
  const isVisible = (byte: number): boolean =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isVisible(byte) ? byte : next++));
})();

interface Word {
  parts: number[];
  readonly count: number;
}

export interface Bpe {
  /** Tokens by id; the first is the end of a text. */
  readonly vocabulary: readonly string[];
  readonly merges: readonly (readonly [string, string])[];
}

/** Counts the words of texts, as byte strings. */
function countWords(texts: Iterable<string>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const text of texts)
    for (const [word] of text.matchAll(words)) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

/**
 * A tokenizer of `size` tokens: the end of a text, the 256 bytes, and merges of the pair that is most frequent, the
 * one with smaller ids among equals.
 */
export function trainBpe(texts: Iterable<string>, size: number): Bpe {
  const vocabulary = [endOfText, ...byteCharacters];
  const all: Word[] = [...countWords(texts)].map(([word, count]) => ({
    parts: [...Buffer.from(word)].map((byte) => byte + 1),
    count,
  }));
  const pairs = countPairs(all);
  const candidates = new Candidates();
  for (const [key, { count }] of pairs) candidates.add([count, key]);
  const merges: [string, string][] = [];
  while (vocabulary.length < size) {
    const best = mostFrequent(candidates, pairs);
    if (best === undefined) throw new Error(`The text has only ${vocabulary.length} tokens, not ${size}.`);
    const [left, right] = splitPair(best);
    merges.push([vocabulary[left]!, vocabulary[right]!]);
    const merged = vocabulary.push(vocabulary[left]! + vocabulary[right]!) - 1;
    const changed = new Set<number>();
    for (const index of [...pairs.get(best)!.words])
      mergeIn(all[index]!, index, { left, right, merged }, pairs, changed);
    pairs.delete(best);
    for (const key of changed) {
      const pair = pairs.get(key);
      if (pair) candidates.add([pair.count, key]);
    }
  }
  return { vocabulary, merges };
}

/** How often a pair of tokens occurs, and in which words. */
interface Pair {
  count: number;
  readonly words: Set<number>;
}
type Pairs = Map<number, Pair>;

/** Two ids as one number. */
const pairBase = 2 ** 20;
const joinPair = (left: number, right: number): number => left * pairBase + right;
const splitPair = (pair: number): readonly [number, number] => [Math.floor(pair / pairBase), pair % pairBase];

function addPairs({ parts, count }: Word, index: number, pairs: Pairs, sign: 1 | -1): void {
  for (let i = 0; i + 1 < parts.length; i++) {
    const key = joinPair(parts[i]!, parts[i + 1]!);
    const pair = pairs.get(key) ?? { count: 0, words: new Set() };
    pair.count += sign * count;
    if (sign > 0) pair.words.add(index);
    else pair.words.delete(index);
    if (pair.count > 0) pairs.set(key, pair);
    else pairs.delete(key);
  }
}

function countPairs(all: readonly Word[]): Pairs {
  const pairs: Pairs = new Map();
  for (const [index, word] of all.entries()) addPairs(word, index, pairs, 1);
  return pairs;
}

/** A pair and how often it occurred when it was added. */
type Candidate = readonly [count: number, key: number];
const isBefore = ([count, key]: Candidate, [otherCount, otherKey]: Candidate): boolean =>
  count > otherCount || (count === otherCount && key < otherKey);

/** A heap of pairs, most frequent first. Counts that have changed since are found when a pair is taken. */
class Candidates {
  private readonly heap: Candidate[] = [];

  add(candidate: Candidate): void {
    const { heap } = this;
    let at = heap.push(candidate) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(candidate, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = candidate;
  }

  take(): Candidate | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last!)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last!;
    return first;
  }
}

/** The most frequent pair by the counts of now. */
function mostFrequent(candidates: Candidates, pairs: Pairs): number | undefined {
  for (let best = candidates.take(); best !== undefined; best = candidates.take()) {
    const [count, key] = best;
    const now = pairs.get(key)?.count ?? 0;
    if (now === count) return key;
    if (now > 0 && now < count) candidates.add([now, key]);
  }
  return undefined;
}

interface Merge {
  readonly left: number;
  readonly right: number;
  readonly merged: number;
}

function mergeIn(
  word: Word,
  index: number,
  { left, right, merged }: Merge,
  pairs: Pairs,
  changed: Set<number>,
): void {
  addPairs(word, index, pairs, -1);
  const parts: number[] = [];
  for (let i = 0; i < word.parts.length; i++) {
    const isPair = word.parts[i] === left && word.parts[i + 1] === right;
    parts.push(isPair ? merged : word.parts[i]!);
    if (isPair) i++;
  }
  word.parts = parts;
  addPairs(word, index, pairs, 1);
  for (let i = 0; i + 1 < parts.length; i++)
    if (parts[i] === merged || parts[i + 1] === merged) changed.add(joinPair(parts[i]!, parts[i + 1]!));
}

/** Writes tokenizer.json and tokenizer_config.json of a tokenizer to `dir`. */
export function writeTokenizer({ vocabulary, merges }: Bpe, dir: string, maxLength: number): void {
  mkdirSync(dir, { recursive: true });
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [
      {
        id: 0,
        content: endOfText,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      },
    ],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(vocabulary.map((token, id) => [token, id])),
      merges,
    },
  };
  const config = {
    bos_token: endOfText,
    clean_up_tokenization_spaces: false,
    eos_token: endOfText,
    model_max_length: maxLength,
    tokenizer_class: 'PreTrainedTokenizerFast',
    unk_token: null,
  };
  writeFileSync(join(dir, 'tokenizer.json'), JSON.stringify(tokenizer));
  writeFileSync(join(dir, 'tokenizer_config.json'), `${JSON.stringify(config, null, 2)}\n`);
}
