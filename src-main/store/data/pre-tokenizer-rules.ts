/**
 * @file What each pre-tokenizer does between two characters: whether it treats both sides alone as it does
 * together, and whether it always splits there. One row per pre-tokenizer of the library.
 */
import { toText, type JsonObject } from '../../base/json.ts';
import { isObject } from '../fs/files.ts';
import { analyzeRegex, analyzeText, type RegexAnalysis } from './split-regex.ts';

export interface SplitResult {
  /** True if a cut between the characters changes nothing else. */
  readonly isLocal: boolean;
  /** True if there is always a split between them. */
  readonly isSplit: boolean;
  /** The characters as the next part of the pipeline sees them. */
  readonly before: string;
  readonly after: string;
}

/** Applies the parts of a pre-tokenizer to two neighbouring characters. */
export type SplitPair = (before: string, after: string) => SplitResult;

type Row = (part: JsonObject) => SplitPair;

const unknown: SplitPair = (before, after) => ({ isLocal: false, isSplit: false, before, after });

/** The regular expression of ByteLevel, unless use_regex is false. */
const byteLevelPattern = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

const isSpace = (char: string): boolean => /\s/.test(char);
const isPunctuation = (char: string): boolean => /[!-/:-@[-`{-~\p{P}]/u.test(char);
const isNumeric = (char: string): boolean => /\p{N}/u.test(char);

/** Splits by characters for which `test` is true. */
const byCharacter = (test: (char: string) => boolean, behavior: unknown): SplitPair => {
  return (before, after) => ({
    isLocal: true,
    isSplit: splitsAt(behavior, toEnd(test(before)), toEnd(test(after))),
    before,
    after,
  });
};

/** What is known of a character beside a cut: that it belongs to a match, or to none. */
interface End {
  readonly matches: boolean;
  readonly never: boolean;
}

const toEnd = (matches: boolean): End => ({ matches, never: !matches });

/** Whether a behavior of Split puts a boundary between two characters that no match reads together. */
function splitsAt(behavior: unknown, before: End, after: End): boolean {
  switch (behavior) {
    case 'Isolated':
    case 'Removed':
      return before.matches || after.matches;
    case 'Contiguous':
      return (before.matches && after.never) || (before.never && after.matches);
    case 'MergedWithPrevious':
      return before.matches;
    case 'MergedWithNext':
      return after.matches;
    default:
      return false;
  }
}

/** Splits by the matches of an expression, or by what is between them if `isInverted`. */
function byRegex(regex: RegexAnalysis | undefined, behavior: unknown, isInverted: boolean): SplitPair {
  if (!regex) return unknown;
  // With these two it does not matter whether matches or gaps are the pieces.
  const swaps = isInverted && behavior !== 'Isolated' && behavior !== 'Removed';
  const end = (char: string): End => {
    const matches = regex.alwaysMatches(char);
    const never = regex.neverMatches(char);
    return swaps ? { matches: never, never: matches } : { matches, never };
  };
  return (before, after) => {
    const isLocal = regex.separates(before, after);
    const ends = [end(before), end(after)] as const;
    // What is between two matches is one piece, however long it is.
    const isEdge = (ends[0].matches && ends[1].never) || (ends[0].never && ends[1].matches);
    const isSplit = isLocal && splitsAt(behavior, ...ends) && (!swaps || isEdge);
    return { isLocal, isSplit, before, after };
  };
}

function splitRow(part: JsonObject): SplitPair {
  const pattern = isObject(part['pattern']) ? part['pattern'] : {};
  const isInverted = part['invert'] === true;
  if (typeof pattern['String'] === 'string')
    return byRegex(analyzeText(pattern['String']), part['behavior'], isInverted);
  return typeof pattern['Regex'] === 'string'
    ? byRegex(analyzeRegex(pattern['Regex']), part['behavior'], isInverted)
    : unknown;
}

/** The printable character that ByteLevel uses for an ASCII character. */
function toByteCharacter(char: string, isFirstByte: boolean): string {
  const bytes = Buffer.from(char);
  const byte = isFirstByte ? bytes[0]! : bytes.at(-1)!;
  const isPrintable = (value: number): boolean =>
    (value >= 33 && value <= 126) || (value >= 161 && value <= 172) || value >= 174;
  if (isPrintable(byte)) return String.fromCharCode(byte);
  let others = 0;
  for (let value = 0; value < byte; value++) if (!isPrintable(value)) others++;
  return String.fromCharCode(256 + others);
}

const byteLevelRow: Row = (part) => {
  const regex = part['use_regex'] === false ? undefined : analyzeRegex(byteLevelPattern)!;
  const split = regex ? byRegex(regex, 'Isolated', false) : undefined;
  return (before, after) => {
    const result = split?.(before, after) ?? { isLocal: true, isSplit: false };
    return { ...result, before: toByteCharacter(before, false), after: toByteCharacter(after, true) };
  };
};

const metaspaceRow: Row = (part) => {
  const replacement = toText(part['replacement'] ?? '▁');
  const replace = (char: string): string => (char === ' ' ? replacement : char);
  return (before, after) => ({
    isLocal: true,
    isSplit: part['split'] !== false && replace(after) === replacement,
    before: replace(before),
    after: replace(after),
  });
};

const rows: Readonly<Record<string, Row>> = {
  ByteLevel: byteLevelRow,
  Metaspace: metaspaceRow,
  Split: splitRow,
  Whitespace: () => byRegex(analyzeRegex('\\w+|[^\\w\\s]+'), 'Isolated', false),
  WhitespaceSplit: () => byCharacter(isSpace, 'Removed'),
  BertPreTokenizer: () => byCharacter((char) => isSpace(char) || isPunctuation(char), 'Isolated'),
  Punctuation: (part) => byCharacter(isPunctuation, part['behavior'] ?? 'Isolated'),
  Digits: (part) => byCharacter(isNumeric, part['individual_digits'] === true ? 'Isolated' : 'Contiguous'),
  CharDelimiterSplit: (part) => byCharacter((char) => char === part['delimiter'], 'Removed'),
  // Scripts are tables of the library. Between ASCII letters and other ASCII characters it keeps its state.
  UnicodeScripts: () => (before, after) => ({
    isLocal: /[A-Za-z]/.test(before),
    isSplit: false,
    before,
    after,
  }),
};

/** Creates the rule of a pre-tokenizer from its parts. Later parts split each piece of earlier ones. */
export function createSplitRule(parts: readonly JsonObject[]): SplitPair {
  const pairs = parts.map((part) => rows[toText(part['type'])]?.(part) ?? unknown);
  return (before, after) => {
    let result: SplitResult = { isLocal: true, isSplit: false, before, after };
    for (const pair of pairs) {
      const next = pair(result.before, result.after);
      // Behind a split every part sees both sides apart.
      if (result.isSplit) return result;
      if (!next.isLocal) return next;
      result = next;
    }
    return result;
  };
}
