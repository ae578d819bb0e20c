/**
 * @file Cuts documents into chunks that are encoded one by one, in constant memory, where the rule of the
 * tokenizer allows it. A document gives the same ids in chunks as at once.
 */
import { refuse } from '../../base/errors.ts';
import type { CutRule } from './cut-rule.ts';
import type { DocumentPart } from './documents.ts';

/** Part of the token cache's key. Change it whenever the ids of a document could change. */
export const chunkingVersion = 'cuts-1';

/** A chunk ends at the first safe cut from `minLength` characters on. */
const minLength = 2048;
/** Longer pieces without a safe cut are refused: the library needs about 100 bytes for each character. */
const maxLength = 2 ** 25;

export interface TextChunk {
  readonly text: string;
  /** The character before the chunk; empty at the start of a document. */
  readonly before: string;
  /** True for the first and the last chunk of a document. */
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

export interface ChunkLimits {
  readonly minLength: number;
  readonly maxLength: number;
}

/**
 * Yields the chunks of documents. Refuses `data/no-cut` when a piece of more than `maxLength` characters
 * cannot be cut.
 */
export async function* chunkDocuments(
  path: string,
  parts: AsyncIterable<DocumentPart>,
  canCut: CutRule,
  limits: ChunkLimits = { minLength, maxLength },
): AsyncGenerator<TextChunk> {
  let pieces: string[] = [];
  let length = 0;
  let before = '';
  let isFirst = true;
  /** Joins the pieces with `text`, of which the first `end` characters belong to the chunk. */
  const take = (text: string, end: number, isLast: boolean): TextChunk => {
    pieces.push(text.slice(0, end));
    const chunk = { text: pieces.length === 1 ? pieces[0]! : pieces.join(''), before, isFirst, isLast };
    before = isLast ? '' : chunk.text.at(-1)!;
    isFirst = isLast;
    pieces = [];
    length = 0;
    return chunk;
  };
  for await (const { text, isLast } of parts) {
    let start = 0;
    for (;;) {
      const from = start + Math.max(0, limits.minLength - length);
      const cut = findCut(text, Math.max(from, start + 1), canCut);
      if (cut === undefined) break;
      yield take(text.slice(start, cut), cut - start, false);
      start = cut;
    }
    const rest = start === 0 ? text : text.slice(start);
    length += rest.length;
    if (length > limits.maxLength) refuse('data/no-cut', { path, limit: limits.maxLength });
    if (isLast) yield take(rest, rest.length, true);
    else if (rest !== '') pieces.push(rest);
  }
}

/** The first safe cut of `text` from `from` on. */
function findCut(text: string, from: number, canCut: CutRule): number | undefined {
  for (let at = from; at + 1 < text.length; at++)
    if (canCut(text[at - 1]!, text[at]!, text[at + 1]!)) return at;
  return undefined;
}

/** The chunks of one text. */
export async function chunkText(text: string, canCut: CutRule, limits?: ChunkLimits): Promise<TextChunk[]> {
  async function* parts(): AsyncGenerator<DocumentPart> {
    yield { text, isFirst: true, isLast: true };
  }
  const chunks: TextChunk[] = [];
  for await (const chunk of chunkDocuments('', parts(), canCut, limits)) chunks.push(chunk);
  return chunks;
}
