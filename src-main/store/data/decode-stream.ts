/** @file Decodes tokens one by one, as they are generated, to the text that all of them have together. */
import { cleanUpSpaces, createSpaceCleaner, type TextStream } from './clean-up-spaces.ts';
import type { DecoderRules } from './decoder-rules.ts';

export interface DecodeStream {
  /** Adds a token. Returns the text that no later token can change. */
  push(token: number): Promise<string>;
  /** Returns the rest. */
  end(): Promise<string>;
}

export interface StreamOptions {
  /** Decodes tokens at once, without clean-up. */
  readonly decode: (tokens: readonly number[]) => Promise<string>;
  readonly rules: DecoderRules;
  /** The text of a token; undefined if decoding leaves it out. */
  readonly getTokenText: (token: number) => string | undefined;
  /** Whether spaces before punctuation are removed from the text. */
  readonly cleansSpaces: boolean;
}

/** The replacement character stands for bytes that are no character, or not yet. */
const replacement = '\ufffd';
const byteToken = /^<0x[0-9A-Fa-f]{2}>$/;

/**
 * Decodes the continuation of `context`. A token's text depends on what is before it, so a piece is what the
 * text of the tokens adds to the text of those before them (the anchor). The anchor begins where bytes and
 * characters are complete, and has text, so that a decoder that changes the beginning of a text changes the
 * anchor and not the piece.
 */
export function createDecodeStream(context: readonly number[], options: StreamOptions): DecodeStream {
  const { decode, rules, getTokenText, cleansSpaces } = options;
  const cleaner: TextStream = cleansSpaces ? createSpaceCleaner() : { push: (text) => text, end: () => '' };
  let anchor = context.filter((token) => getTokenText(token) !== undefined);
  let window: number[] = [];
  /** The text of anchor and window that was returned. */
  let done = '';
  /** The end of the context's text that the cleaner keeps back. */
  let known = '';
  let isStarted = false;
  const start = async (): Promise<void> => {
    if (isStarted) return;
    isStarted = true;
    done = anchor.length > 0 ? await decode(anchor) : '';
    const cleaned = cleaner.push(done);
    if (cleansSpaces) known = cleanUpSpaces(done).slice(cleaned.length);
  };
  const skipKnown = (text: string): string => {
    const same = countCommonStart(text, known);
    known = same === text.length ? known.slice(same) : '';
    return text.slice(same);
  };
  const take = (text: string): string => {
    const same = countCommonStart(text, done);
    done = text;
    return skipKnown(cleaner.push(text.slice(same)));
  };
  const isIncomplete = (token: number): boolean =>
    rules.hasByteTokens && byteToken.test(getTokenText(token)!);
  return {
    async push(token) {
      await start();
      if (getTokenText(token) === undefined) return '';
      window.push(token);
      if (!rules.canStream || isIncomplete(token)) return '';
      const text = await decode([...anchor, ...window]);
      if (text.endsWith(replacement)) {
        const complete = text.slice(0, -replacement.length);
        return complete.length > done.length ? take(complete) : '';
      }
      const piece = take(text);
      const next = await decode(window);
      if (next === '') anchor = [...anchor, ...window];
      else {
        anchor = window;
        done = next;
      }
      window = [];
      return piece;
    },
    async end() {
      await start();
      const piece = window.length > 0 ? take(await decode([...anchor, ...window])) : '';
      return piece + skipKnown(cleaner.end());
    },
  };
}

/** The number of characters that two texts begin with in common. */
function countCommonStart(a: string, b: string): number {
  let same = 0;
  while (same < a.length && same < b.length && a[same] === b[same]) same++;
  return same;
}
