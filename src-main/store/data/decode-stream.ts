/** @file Decodes tokens one by one, as they are generated. */

export interface DecodeStream {
  /** Adds a token. Returns the text that can be decoded now; empty while a character is incomplete. */
  push(token: number): string;
  /** Returns the rest. */
  end(): string;
}

/** Tokens kept as context for decoding. */
const contextLength = 8;
/** The window is cut back to the context when it is longer than this. */
const maxWindow = 32;
/** A character has at most this many tokens; then its replacement character is returned as it is. */
const maxIncomplete = 8;

/**
 * Decodes the continuation of `context`. A token's text depends on its neighbours (spaces, characters split
 * over several tokens), so each piece is the difference of two decodings with the same start.
 */
export function createDecodeStream(
  decode: (tokens: readonly number[]) => string,
  context: readonly number[],
): DecodeStream {
  let window = context.slice(-contextLength);
  let decoded = decode(window);
  let pending = 0;
  /** The part of `text` after what was decoded before. */
  const advance = (text: string): string => {
    let same = 0;
    while (same < decoded.length && text[same] === decoded[same]) same++;
    decoded = text;
    return text.slice(same);
  };
  return {
    push(token) {
      window = [...window, token];
      pending++;
      const text = decode(window);
      if (text.endsWith('\ufffd') && pending < maxIncomplete) return '';
      const piece = advance(text);
      pending = 0;
      if (window.length > maxWindow) {
        window = window.slice(-contextLength);
        decoded = decode(window);
      }
      return piece;
    },
    end: () => (pending > 0 ? advance(decode(window)) : ''),
  };
}
