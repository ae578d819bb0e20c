/** @file Leaves documents out by length, language, and equality with an earlier one. */
import { franc } from 'franc-min';
import { refuse } from '../../base/errors.ts';
import type { LeftOut } from '../../base/left-out.ts';
import { isFiltering, type FilterReason, type TextFilter } from '../../base/text-filter.ts';
import type { DocumentPart } from './documents.ts';
import { createSeenHashes, hashDocument, type SeenHashes } from './seen-hashes.ts';

/** Characters from which a language is told. */
const languageCharacters = 1000;
/** Longer documents of plain text are not joined to be checked: they pass. */
const maxJoinedCharacters = 2 ** 25;

export interface DocumentFilter {
  /** Why the document is left out; undefined if it is kept. With `dedupe`, a kept one has a hash. */
  check(text: string): { readonly reason?: FilterReason; readonly hash?: bigint };
}

/** The canonical code of a language: `eng` and `en` are one. Refuses `run/bad-setting`. */
export function canonicalLanguage(code: string): string {
  try {
    return new Intl.Locale(code.trim()).language;
  } catch {
    return refuse('run/bad-setting', {
      setting: 'languages',
      why: `has "${code}", which is not a code of a language such as en`,
    });
  }
}

/** The language of a text as a canonical code; `und` if it cannot be told. */
export const detectLanguage = (text: string): string =>
  canonicalLanguage(franc(text.slice(0, languageCharacters), { minLength: 20 }));

/** A filter that remembers in `seen` what it has kept. */
export function createDocumentFilter(
  { minCharacters, maxCharacters, dedupe, languages }: TextFilter,
  seen: SeenHashes = createSeenHashes(),
): DocumentFilter {
  const kept = new Set(languages.map(canonicalLanguage));
  return {
    check(text) {
      if (text.length < minCharacters) return { reason: 'short' };
      if (maxCharacters > 0 && text.length > maxCharacters) return { reason: 'long' };
      if (kept.size > 0 && !kept.has(detectLanguage(text))) return { reason: 'language' };
      if (!dedupe) return {};
      const hash = hashDocument(text);
      return seen.add(hash) ? { hash } : { reason: 'duplicate' };
    },
  };
}

/** Counts one more document that is left out. */
export function countLeftOut(leftOut: LeftOut, reason: FilterReason): void {
  leftOut[reason] = (leftOut[reason] ?? 0) + 1;
}

/** The documents that pass a filter. `onHash` gets the hash of each, with `dedupe`. */
export async function* filterDocuments(
  parts: AsyncIterable<DocumentPart>,
  rule: TextFilter,
  {
    seen,
    leftOut,
    onHash,
  }: {
    readonly seen: SeenHashes;
    readonly leftOut: LeftOut;
    readonly onHash: (hash: bigint) => void;
  },
): AsyncGenerator<DocumentPart> {
  if (!isFiltering(rule)) {
    yield* parts;
    return;
  }
  const filter = createDocumentFilter(rule, seen);
  let joined: DocumentPart[] = [];
  let length = 0;
  let isPassing = false;
  for await (const part of parts) {
    if (isPassing) {
      yield part;
      isPassing = !part.isLast;
      continue;
    }
    joined.push(part);
    length += part.text.length;
    const isTooLong = length > maxJoinedCharacters;
    if (!part.isLast && !isTooLong) continue;
    const { reason, hash } = isTooLong ? {} : filter.check(joined.map(({ text }) => text).join(''));
    if (reason) countLeftOut(leftOut, reason);
    else yield* joined;
    if (hash !== undefined) onHash(hash);
    isPassing = isTooLong && !part.isLast;
    joined = [];
    length = 0;
  }
}
