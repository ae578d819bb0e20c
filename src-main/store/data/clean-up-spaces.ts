/**
 * @file Removes spaces before punctuation and contractions, as clean_up_tokenization of transformers does: ten
 * replacements, one after another.
 */

const replacements: readonly (readonly [string, string])[] = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

/** Cleans a whole text. */
export const cleanUpSpaces = (text: string): string =>
  replacements.reduce((cleaned, [pattern, content]) => cleaned.replaceAll(pattern, content), text);

export interface TextStream {
  /** Adds text. Returns what no later text can change. */
  push(text: string): string;
  /** Returns the rest. */
  end(): string;
}

/** Cleans a text that arrives in pieces. */
export function createSpaceCleaner(): TextStream {
  const stages = replacements.map(([pattern, content]) => createReplacer(pattern, content));
  return {
    push: (text) => stages.reduce((piece, stage) => stage.push(piece), text),
    end: () => stages.reduce((piece, stage) => stage.push(piece) + stage.end(), ''),
  };
}

/** Replaces a text from left to right, and keeps back what may be the beginning of the next match. */
function createReplacer(pattern: string, content: string): TextStream {
  let rest = '';
  return {
    push(text) {
      const pieces = (rest + text).split(pattern);
      const last = pieces.pop()!;
      const kept = countPrefix(last, pattern);
      rest = last.slice(last.length - kept);
      return [...pieces, last.slice(0, last.length - kept)].join(content);
    },
    end() {
      const all = rest;
      rest = '';
      return all;
    },
  };
}

/** The length of the longest end of `text` that is a beginning of `pattern`, and not all of it. */
function countPrefix(text: string, pattern: string): number {
  for (let length = Math.min(text.length, pattern.length - 1); length > 0; length--)
    if (text.endsWith(pattern.slice(0, length))) return length;
  return 0;
}
