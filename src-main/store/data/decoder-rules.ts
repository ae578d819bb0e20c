/**
 * @file How the text of tokens depends on their neighbours, for every decoder of the library: what a stream of
 * text has to wait for, so that its pieces are the text of all tokens decoded at once.
 */
import { toText, type JsonObject } from '../../base/json.ts';
import { isObject } from '../fs/files.ts';
import { listParts } from './pipeline-parts.ts';

export interface DecoderRules {
  /**
   * False if the text before a token can change whatever comes later, so that only the end of the stream gives
   * text.
   */
  readonly canStream: boolean;
  /** True if tokens such as `<0xE4>` are bytes, which are decoded together up to the next other token. */
  readonly hasByteTokens: boolean;
}

interface State {
  canStream: boolean;
  hasByteTokens: boolean;
  /** True if all tokens are one text from here on. */
  isJoined: boolean;
}

/** Reads the rules of a decoder. `tokens` are the texts of the vocabulary. */
export function readDecoderRules(
  decoder: JsonObject | null,
  listTokens: () => readonly string[],
): DecoderRules {
  const state: State = { canStream: true, hasByteTokens: false, isJoined: false };
  for (const part of listParts(decoder, 'decoders')) applyPart(state, part, listTokens);
  return { canStream: state.canStream, hasByteTokens: state.hasByteTokens };
}

function applyPart(state: State, part: JsonObject, listTokens: () => readonly string[]): void {
  switch (part['type']) {
    case 'Fuse':
    case 'ByteLevel':
      state.isJoined = true;
      return;
    case 'ByteFallback':
      if (state.isJoined) state.canStream = false;
      state.hasByteTokens = true;
      return;
    case 'Replace':
      // In the joined text, a longer pattern can lie across tokens.
      if (state.isJoined && !isOneCharacter(part['pattern'])) state.canStream = false;
      return;
    case 'BPEDecoder':
      // The suffix of the last token becomes a space when another token follows.
      if (state.isJoined || !listTokens().every((token) => endsOnlyWith(token, toText(part['suffix']))))
        state.canStream = false;
      return;
    case 'WordPiece':
    case 'CTC':
      // They look at one token at a time, but would read a joined text as one token.
      if (state.isJoined) state.canStream = false;
      return;
    case 'Metaspace':
    case 'Strip':
      return;
    default:
      state.canStream = false;
  }
}

const isOneCharacter = (pattern: unknown): boolean =>
  isObject(pattern) && typeof pattern['String'] === 'string' && [...pattern['String']].length === 1;

/** True if the suffix occurs nowhere in the token but at its end. */
const endsOnlyWith = (token: string, suffix: string): boolean => {
  const at = token.indexOf(suffix);
  return suffix !== '' && (at < 0 || at === token.length - suffix.length);
};
