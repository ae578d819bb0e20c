/** @file Makes the blocks of a stream: reads row groups in its order, filters and tokenizes their texts. */
import { refuse } from '../../base/errors.ts';
import { noneLeftOut, type LeftOut } from '../../base/left-out.ts';
import { isFiltering } from '../../base/text-filter.ts';
import { chunkDocuments, type TextChunk } from '../data/chunks.ts';
import { countLeftOut, createDocumentFilter } from '../data/document-filter.ts';
import type { DocumentPart } from '../data/documents.ts';
import type { ParquetFile } from '../data/parquet.ts';
import { createSeenHashes, type SeenHashes } from '../data/seen-hashes.ts';
import { batchChunks } from '../data/token-writer.ts';
import type { TextTokenizer } from '../data/tokenizer.ts';
import { fileAt, groupAt, widthOf, type StreamPosition, type StreamSource } from './source.ts';

/** Whole documents of one row group, as tokens. */
export interface Block {
  readonly start: StreamPosition;
  /** Where the next block starts. */
  readonly next: StreamPosition;
  readonly tokens: Uint16Array | Uint32Array;
  /** The first token of each document, counted in the block. */
  readonly documents: Float64Array;
  /** Size of the text as UTF-8. */
  readonly bytes: number;
  readonly leftOut: LeftOut;
  /** Hashes of the documents, with a filter that leaves out duplicates. */
  readonly hashes: BigUint64Array;
}

export interface ProduceOptions {
  readonly source: StreamSource;
  readonly tokenizer: TextTokenizer;
  /** Opens file number `index` of the source. */
  readonly open: (index: number) => Promise<ParquetFile>;
  readonly from: StreamPosition;
  /** Hashes of the documents before `from` in its epoch. */
  readonly seen: SeenHashes;
  readonly signal: AbortSignal;
}

/** A row group that is being read. */
interface Group {
  readonly position: StreamPosition;
  readonly next: StreamPosition;
  readonly file: number;
  readonly index: number;
  readonly values: Promise<readonly unknown[]>;
}

/** Yields blocks without end. Refuses `data/empty` if an epoch has no document, and what reading refuses. */
export async function* produceBlocks(options: ProduceOptions): AsyncGenerator<Block> {
  const { source, from } = options;
  let { seen } = options;
  let { epoch } = from;
  let documents = 0;
  let isWhole = from.file + from.group + from.row === 0;
  // While a row group is tokenized, the next one is read.
  for await (const group of readAhead(listGroups(options))) {
    if (group.position.epoch !== epoch) {
      if (documents === 0 && isWhole) refuse('data/empty', { path: source.name, tokens: 0, needed: 1 });
      isWhole = true;
      ({ epoch } = group.position);
      seen = createSeenHashes();
      documents = 0;
    }
    for await (const block of tokenizeGroup(options, group, seen)) {
      documents += block.documents.length;
      yield block;
    }
  }
}

/** The row groups from a position on. Reading one begins when it is yielded. */
async function* listGroups({ source, open, from }: ProduceOptions): AsyncGenerator<Group> {
  let rows = 0;
  for (let { epoch } = from; ; epoch++) {
    for (let at = epoch === from.epoch ? from.file : 0; at < source.files.length; at++) {
      const file = fileAt(source, epoch, at);
      const parquet = await open(file);
      const { length } = parquet.groupRows;
      const isFirst = epoch === from.epoch && at === from.file;
      for (let groupNumber = isFirst ? from.group : 0; groupNumber < length; groupNumber++) {
        const index = groupAt(source, epoch, file, groupNumber, length);
        const row = isFirst && groupNumber === from.group ? from.row : 0;
        const values = parquet.readColumn(index, source.column);
        values.catch(() => undefined);
        rows += parquet.groupRows[index]!;
        const isLastGroup = groupNumber + 1 === length;
        const isLastFile = at + 1 === source.files.length;
        yield {
          position: { epoch, file: at, group: groupNumber, row },
          next: {
            epoch: isLastGroup && isLastFile ? epoch + 1 : epoch,
            file: isLastGroup ? (isLastFile ? 0 : at + 1) : at,
            group: isLastGroup ? 0 : groupNumber + 1,
            row: 0,
          },
          file,
          index,
          values,
        };
      }
    }
    if (rows === 0) refuse('data/empty', { path: source.name, tokens: 0, needed: 1 });
  }
}

/** Yields the items of `items`, each after the next one was requested. */
async function* readAhead<T>(items: AsyncGenerator<T>): AsyncGenerator<T> {
  let next = items.next();
  for (;;) {
    const { value, done } = await next;
    if (done) return;
    next = items.next();
    next.catch(() => undefined);
    yield value;
  }
}

/** A document of a row group that is on its way through the tokenizer. */
interface Pending {
  readonly row: number;
  readonly hash: bigint | undefined;
  /** What the rows up to this one left out. */
  readonly leftOut: LeftOut;
}

/** Yields the blocks of one row group; a group without documents gives one empty block. */
async function* tokenizeGroup(
  { source, tokenizer, signal }: ProduceOptions,
  group: Group,
  seen: SeenHashes,
): AsyncGenerator<Block> {
  const { before, after, appended } = tokenizer.documentTokens;
  const values = await group.values;
  const filter = isFiltering(source.filter) ? createDocumentFilter(source.filter, seen) : undefined;
  const pending: Pending[] = [];
  const counted: LeftOut = { ...noneLeftOut };

  async function* readRows(): AsyncGenerator<DocumentPart> {
    const { heldOut } = source;
    const isHeldOut = heldOut !== null && heldOut.file === group.file && heldOut.group === group.index;
    const first = Math.max(group.position.row, isHeldOut ? heldOut.rows : 0);
    for (let row = first; row < values.length; row++) {
      const value = values[row];
      if (value === null || value === undefined || value === '') {
        counted.empty++;
        continue;
      }
      if (typeof value !== 'string') {
        const path = `${source.name}, ${source.files[group.file]!.path}`;
        const why = `its "${source.column}" is ${Array.isArray(value) ? 'a list' : `a ${typeof value}`}, not text`;
        refuse('data/bad-line', { path, line: row + 1, why, unit: 'row' });
      }
      const text = value.toWellFormed();
      const { reason, hash } = filter?.check(text) ?? {};
      if (reason) countLeftOut(counted, reason);
      else {
        pending.push({ row, hash, leftOut: { ...counted } });
        yield { text, isFirst: true, isLast: true };
      }
    }
  }

  const builder = createBlockBuilder(source, group.position);
  const chunks = chunkDocuments(source.name, readRows(), tokenizer.canCut);
  for await (const { batch, ids } of encodeBatches(chunks, tokenizer)) {
    if (signal.aborted) refuse('cancelled', { what: 'tokenizing' });
    for (const [i, chunk] of batch.entries()) {
      if (chunk.isFirst) builder.startDocument(before);
      builder.add(ids[i]!, Buffer.byteLength(chunk.text));
      if (!chunk.isLast) continue;
      const { row, hash, leftOut } = pending.shift()!;
      builder.endDocument([...after, ...appended], hash);
      if (builder.isFull() && row + 1 < values.length)
        yield builder.take({ ...group.position, row: row + 1 }, leftOut);
    }
  }
  yield builder.take(group.next, counted);
}

interface EncodedBatch {
  readonly batch: readonly TextChunk[];
  readonly ids: readonly (readonly number[])[];
}

/** Encodes batches of chunks on all cores; while one is encoded, the next one is made. */
async function* encodeBatches(
  chunks: AsyncIterable<TextChunk>,
  tokenizer: TextTokenizer,
): AsyncGenerator<EncodedBatch> {
  let previous: { readonly batch: readonly TextChunk[]; readonly ids: Promise<number[][]> } | undefined;
  for await (const batch of batchChunks(chunks)) {
    const ids = tokenizer.encodeChunks(batch);
    ids.catch(() => undefined);
    if (previous) yield { batch: previous.batch, ids: await previous.ids };
    previous = { batch, ids };
  }
  if (previous) yield { batch: previous.batch, ids: await previous.ids };
}

interface BlockBuilder {
  startDocument(before: readonly number[]): void;
  add(ids: readonly number[], bytes: number): void;
  endDocument(after: readonly number[], hash: bigint | undefined): void;
  isFull(): boolean;
  /** The block so far. `leftOut` counts from the start of the row group. */
  take(next: StreamPosition, leftOut: LeftOut): Block;
}

function createBlockBuilder(source: StreamSource, first: StreamPosition): BlockBuilder {
  let start = first;
  let before: LeftOut = { ...noneLeftOut };
  let pieces: (readonly number[])[] = [];
  let documents: number[] = [];
  let hashes: bigint[] = [];
  let tokens = 0;
  let bytes = 0;
  const push = (ids: readonly number[]): void => {
    pieces.push(ids);
    tokens += ids.length;
  };
  return {
    startDocument(ids) {
      documents.push(tokens);
      push(ids);
    },
    add(ids, size) {
      push(ids);
      bytes += size;
    },
    endDocument(ids, hash) {
      push(ids);
      if (hash !== undefined) hashes.push(hash);
    },
    isFull: () => tokens >= source.blockTokens,
    take(next, leftOut) {
      const all = widthOf(source) === 2 ? new Uint16Array(tokens) : new Uint32Array(tokens);
      let at = 0;
      for (const piece of pieces) {
        all.set(piece, at);
        at += piece.length;
      }
      const block: Block = {
        start,
        next,
        tokens: all,
        documents: Float64Array.from(documents),
        bytes,
        leftOut: subtract(leftOut, before),
        hashes: BigUint64Array.from(hashes),
      };
      start = next;
      before = leftOut;
      pieces = [];
      documents = [];
      hashes = [];
      tokens = 0;
      bytes = 0;
      return block;
    },
  };
}

function subtract(after: LeftOut, before: LeftOut): LeftOut {
  const difference: LeftOut = { ...after };
  for (const [reason, n] of Object.entries(before) as [keyof LeftOut, number][])
    difference[reason] = (difference[reason] ?? 0) - n;
  return difference;
}
