/**
 * @file Tokenizes one text file into a folder of token files, cached by the hash of everything that decides
 * the tokens. Runs in the worker of tokenize-worker.ts.
 */
import { createHash } from 'node:crypto';
import { open, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { noneLeftOut, type LeftOut } from '../../base/left-out.ts';
import type { TextFilter } from '../../base/text-filter.ts';
import {
  exists,
  openRegularFile,
  readOrRefuse,
  readRegularFile,
  writeJson,
  writeOrRefuse,
} from '../fs/files.ts';
import { removeFolder, writeFolder } from '../fs/folder.ts';
import { writeAt } from '../fs/sequential-file.ts';
import { filterDocuments } from './document-filter.ts';
import type { SeenHashes } from './seen-hashes.ts';
import { chunkDocuments, chunkingVersion, type TextChunk } from './chunks.ts';
import { getDataFormat, isTokenFile } from './dataset-files.ts';
import { defaultTextField, readDocuments, type DocumentPart } from './documents.ts';
import { headerLength, maxTokensPerFile, tokenFileMagic, type TokenSummary } from './token-files.ts';
import { estimateTextBytes, readTokenLayout, readTokenPieces } from './token-import.ts';
import { tokenizerLibrary, type TextTokenizer } from './tokenizer.ts';

export interface TokenizeOptions {
  /** Rows of the model's token embedding; decides the bytes per token in the file. */
  readonly vocabSize: number;
  readonly cacheDir: string;
  /** The JSON field or Parquet column with the text. */
  readonly field?: string | undefined;
  readonly signal?: AbortSignal;
  /** Called with the bytes of text read so far. */
  readonly onBytes?: (done: number) => void;
  /** Leaves documents out; `seen` has the hashes of what earlier files of the text gave. */
  readonly filter?: { readonly rule: TextFilter; readonly seen: SeenHashes };
  /** Names the files before, for a filter that compares with them. */
  readonly earlier?: string;
  /** Default: the limit of the file format. */
  readonly maxTokensPerFile?: number;
}

/**
 * Tokenizes the file at `path`, unless the cache has its tokens. Returns their folder. Refuses `data/empty`,
 * and `file/unreadable` when the file changes meanwhile.
 */
export async function tokenizeFile(
  path: string,
  tokenizer: TextTokenizer,
  options: TokenizeOptions,
): Promise<{ folder: string; cached: boolean }> {
  const { vocabSize, cacheDir, field = defaultTextField, signal } = options;
  const tokensPerFile = options.maxTokensPerFile ?? maxTokensPerFile;
  const width: 2 | 4 = vocabSize > 65_536 ? 4 : 2;
  const textHash = await hashFile(path, signal);
  const keyParts = [
    textHash,
    tokenizer.hash,
    `${tokenizerLibrary.name} ${tokenizerLibrary.version}`,
    chunkingVersion,
    getDataFormat(path),
    field,
    width,
    vocabSize,
    tokensPerFile,
    ...(isTokenFile(path)
      ? [tokenizer.eos, (await readTokenLayout(path)).format, await hashIndex(path, signal)]
      : []),
    ...(options.filter ? [JSON.stringify(options.filter.rule)] : []),
    // What is a duplicate depends on the files before.
    ...(options.filter?.rule.dedupe ? [options.earlier ?? ''] : []),
  ];
  const key = createHash('sha256').update(keyParts.join('\n')).digest('hex').slice(0, 32);
  const folder = join(cacheDir, key);
  const isComplete = (): Promise<boolean> => exists(join(folder, 'tokens.json'));
  if (await exists(folder)) {
    if (await isComplete()) {
      if (options.filter?.rule.dedupe) await addSeenHashes(folder, options.filter.seen);
      return { folder, cached: true };
    }
    await removeFolder(folder); // folders appear atomically, so this one was damaged later
  }
  try {
    await writeFolder(folder, async (temporary) => {
      const how = { ...options, width, tokensPerFile, folder: temporary };
      const leftOut: LeftOut = { ...noneLeftOut };
      const written = isTokenFile(path)
        ? await importTokens(path, tokenizer, how)
        : await writeDocuments(path, readDocuments(path, { ...options, leftOut }), tokenizer, {
            ...how,
            leftOut,
          });
      if ((await hashFile(path, signal)) !== textHash)
        refuse('file/unreadable', { path, why: 'it changed while it was read' });
      const summary: TokenSummary = {
        version: 2,
        text: path,
        sha256: textHash,
        tokenizer: tokenizer.hash,
        rule: chunkingVersion,
        library: tokenizerLibrary,
        width,
        ...written,
      };
      await writeJson(join(temporary, 'tokens.json'), summary);
    });
    return { folder, cached: false };
  } catch (error) {
    // Another process wrote the same tokens first. They may be in use, so they stay.
    if ((error as { code?: string }).code === 'file/exists' && (await isComplete()))
      return { folder, cached: true };
    throw error;
  }
}

interface WriteOptions extends Pick<TokenizeOptions, 'filter' | 'signal'> {
  readonly folder: string;
  readonly width: 2 | 4;
  readonly tokensPerFile: number;
  /** Counts what is left out. */
  readonly leftOut: LeftOut;
}

/** Writes the token files and documents.bin into a folder. Returns what tokens.json says of them. */
export async function writeDocuments(
  name: string,
  parts: AsyncIterable<DocumentPart>,
  tokenizer: TextTokenizer,
  { folder, width, tokensPerFile, signal, filter, leftOut }: WriteOptions,
): Promise<WrittenTokens> {
  const { before, after, appended } = tokenizer.documentTokens;
  const tokens = createTokenWriter(folder, width, tokensPerFile);
  const starts = await createNumberWriter(join(folder, 'documents.bin'));
  const hashes: bigint[] = [];
  let documents = 0;
  let bytes = 0;
  const write = async ({ chunks, ids }: Batch): Promise<void> => {
    for (const [i, all] of (await ids).entries()) {
      const chunk = chunks[i]!;
      if (chunk.isFirst) {
        await starts.add(Float64Array.of(tokens.count()));
        documents++;
        await tokens.add(before);
      }
      await tokens.add(all);
      bytes += Buffer.byteLength(chunk.text);
      if (chunk.isLast) await tokens.add([...after, ...appended]);
    }
  };
  try {
    const kept = filter
      ? filterDocuments(parts, filter.rule, {
          seen: filter.seen,
          leftOut,
          onHash: (hash) => void hashes.push(hash),
        })
      : parts;
    const chunks = chunkDocuments(name, kept, tokenizer.canCut);
    // While the library encodes a batch on its threads, the next one is read.
    let previous: Batch | undefined;
    for await (const batch of batchChunks(chunks)) {
      if (signal?.aborted) refuse('cancelled', { what: 'tokenizing' });
      const ids = tokenizer.encodeChunks(batch);
      ids.catch(() => undefined);
      if (previous) await write(previous);
      previous = { chunks: batch, ids };
    }
    if (previous) await write(previous);
    if (filter?.rule.dedupe) {
      const file = join(folder, hashesFile);
      await writeOrRefuse(file, () => writeFile(file, BigUint64Array.from(hashes)));
    }
    const records = Object.values(leftOut).reduce((sum, n) => sum + n, 0);
    // All documents of one file may be duplicates of others.
    if (documents === 0 && !filter)
      refuse('data/empty', { path: name, tokens: 0, needed: 1, leftOut: records });
    await starts.finish();
  } finally {
    await starts.close();
    await tokens.finish();
  }
  return { tokens: tokens.count(), documents, bytes, parts: tokens.parts(), leftOut };
}

type WrittenTokens = Pick<TokenSummary, 'tokens' | 'documents' | 'bytes' | 'parts' | 'leftOut'>;

/** Copies the tokens of a token file. Refuses `data/bad-token-file`, `data/token-range`. */
async function importTokens(
  path: string,
  tokenizer: TextTokenizer,
  {
    folder,
    width,
    tokensPerFile,
    vocabSize,
    signal,
    onBytes,
  }: Omit<WriteOptions, 'leftOut'> & TokenizeOptions,
): Promise<WrittenTokens> {
  const layout = await readTokenLayout(path);
  if (layout.tokens === 0) refuse('data/empty', { path, tokens: 0, needed: 1 });
  const tokens = createTokenWriter(folder, width, tokensPerFile);
  const starts = await createNumberWriter(join(folder, 'documents.bin'));
  let documents = layout.documents?.length ?? 1;
  let bytes = 0;
  try {
    await starts.add(layout.documents ?? Float64Array.of(0));
    for await (const { ids, done } of readTokenPieces(path, layout, vocabSize)) {
      if (signal?.aborted) refuse('cancelled', { what: 'reading tokens' });
      if (tokens.count() === 0) bytes = await estimateTextBytes(ids, layout.tokens, tokenizer);
      if (!layout.documents) {
        const ends = ids.flatMap((id, i) => (id === tokenizer.eos ? [tokens.count() + i + 1] : []));
        const next = ends.filter((end) => end < layout.tokens);
        await starts.add(Float64Array.from(next));
        documents += next.length;
      }
      await tokens.add(ids);
      onBytes?.(done);
    }
    await starts.finish();
  } finally {
    await starts.close();
    await tokens.finish();
  }
  return { tokens: tokens.count(), documents, bytes, parts: tokens.parts(), leftOut: { ...noneLeftOut } };
}

/** The hash of the index beside a token file; empty without one. */
async function hashIndex(path: string, signal?: AbortSignal): Promise<string> {
  const index = path.replace(/\.bin$/i, '.idx');
  return (await exists(index)) ? hashFile(index, signal) : '';
}

interface Batch {
  readonly chunks: readonly TextChunk[];
  readonly ids: Promise<number[][]>;
}

/** Characters and chunks of a batch: enough for all cores, and few enough for little memory. */
const batchLength = 2 ** 18;
const batchChunkCount = 1024;

export async function* batchChunks(chunks: AsyncIterable<TextChunk>): AsyncGenerator<TextChunk[]> {
  let batch: TextChunk[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    batch.push(chunk);
    length += chunk.text.length;
    if (length < batchLength && batch.length < batchChunkCount) continue;
    yield batch;
    batch = [];
    length = 0;
  }
  if (batch.length > 0) yield batch;
}

/** The hashes of the documents of a folder of tokens that a filter compares with. */
const hashesFile = 'hashes.bin';

async function addSeenHashes(folder: string, seen: SeenHashes): Promise<void> {
  const bytes = await readRegularFile(join(folder, hashesFile));
  for (const hash of new BigUint64Array(new Uint8Array(bytes).buffer)) seen.add(hash);
}

/** SHA-256 of a file. */
async function hashFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const { file } = await openRegularFile(path);
  await readOrRefuse(path, async () => {
    for await (const bytes of file.createReadStream({ highWaterMark: 1 << 20 })) {
      if (signal?.aborted) return;
      hash.update(bytes as Buffer);
    }
  });
  return signal?.aborted ? refuse('cancelled', { what: 'reading the text' }) : hash.digest('hex');
}

interface NumberWriter {
  add(values: Uint16Array | Uint32Array | Float64Array): Promise<void>;
  /** Writes the rest and the header, and closes the file. */
  finish(header?: Int32Array): Promise<void>;
  close(): Promise<void>;
}

/** Creates a file of numbers, written through a buffer. The first `headerBytes` bytes are left free. */
async function createNumberWriter(path: string, headerBytes = 0): Promise<NumberWriter> {
  const file: FileHandle = await writeOrRefuse(path, () => open(path, 'wx'));
  const buffer = Buffer.allocUnsafe(1 << 20);
  let offset = headerBytes;
  let filled = 0;
  let isClosed = false;
  const flush = async (): Promise<void> => {
    await writeOrRefuse(path, () => writeAt(file, buffer.subarray(0, filled), offset));
    offset += filled;
    filled = 0;
  };
  const close = async (): Promise<void> => {
    if (isClosed) return;
    isClosed = true;
    await file.close();
  };
  return {
    async add(values) {
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      for (let done = 0; done < bytes.byteLength;) {
        const length = Math.min(buffer.length - filled, bytes.byteLength - done);
        buffer.set(bytes.subarray(done, done + length), filled);
        filled += length;
        done += length;
        if (filled === buffer.length) await flush();
      }
    },
    async finish(header) {
      await flush();
      if (header)
        await writeOrRefuse(path, () => file.write(new Uint8Array(header.buffer), 0, header.byteLength, 0));
      await close();
    },
    close,
  };
}

interface TokenWriter {
  add(ids: readonly number[]): Promise<void>;
  /** Tokens written so far. */
  count(): number;
  parts(): TokenSummary['parts'];
  /** Writes the header of the open file and closes it. */
  finish(): Promise<void>;
}

/** Writes `tokens-00000.bin`, `tokens-00001.bin` and so on, each with at most `tokensPerFile` tokens. */
function createTokenWriter(folder: string, width: 2 | 4, tokensPerFile: number): TokenWriter {
  const parts: { file: string; tokens: number }[] = [];
  let current: NumberWriter | undefined;
  let total = 0;
  const openNext = async (): Promise<NumberWriter> => {
    const file = `tokens-${String(parts.length).padStart(5, '0')}.bin`;
    const writer = await createNumberWriter(join(folder, file), headerLength * 4);
    parts.push({ file, tokens: 0 });
    return writer;
  };
  const finish = async (): Promise<void> => {
    const header = new Int32Array(headerLength);
    header.set([tokenFileMagic, 1, parts.at(-1)?.tokens ?? 0, width]);
    await current?.finish(header);
    current = undefined;
  };
  return {
    async add(ids) {
      for (let done = 0; done < ids.length;) {
        current ??= await openNext();
        const part = parts.at(-1)!;
        const length = Math.min(ids.length - done, tokensPerFile - part.tokens);
        const some = ids.slice(done, done + length);
        await current.add(width === 2 ? Uint16Array.from(some) : Uint32Array.from(some));
        part.tokens += length;
        total += length;
        done += length;
        if (part.tokens === tokensPerFile) await finish();
      }
    },
    count: () => total,
    parts: () => parts,
    finish,
  };
}
