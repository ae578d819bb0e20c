/**
 * @file The folder of a stream:
 *
 *     stream.json         what is read (source.ts)
 *     blocks.jsonl        one line for each block so far: where it starts, its tokens, its SHA-256
 *     hashes.bin          hashes of the documents of these blocks, if duplicates are left out
 *     block-000012.bin    the tokens of a block, padded to 8 bytes, then the start of each document as float64
 *
 * Lines stay, files of blocks go when they are trained on. What is missing is made again from the dataset and must have
 * the SHA-256 of its line.
 */
import { createHash } from 'node:crypto';
import { constants, open, readdir, rename, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { refuse } from '../../base/errors.ts';
import { parseJsonIfValid } from '../../base/json.ts';
import { leftOutSchema, type LeftOut } from '../../base/left-out.ts';
import { createSeenHashes, type SeenHashes } from '../data/seen-hashes.ts';
import { isNotFound, readJson, readOrRefuse, readRegularFile, writeOrRefuse } from '../fs/files.ts';
import { writeAt } from '../fs/sequential-file.ts';
import type { Block } from './produce.ts';
import { streamPosition, streamSource, widthOf, type StreamPosition, type StreamSource } from './source.ts';

/** A line of blocks.jsonl. */
export interface BlockRecord {
  readonly start: StreamPosition;
  readonly next: StreamPosition;
  readonly tokens: number;
  readonly documents: number;
  readonly bytes: number;
  /** Of its file. */
  readonly sha256: string;
  readonly leftOut: LeftOut;
  /** Hashes that it added to hashes.bin. */
  readonly hashes: number;
}

const count = z.number().int().nonnegative();
const blockRecord: z.ZodType<BlockRecord> = z.object({
  start: streamPosition,
  next: streamPosition,
  tokens: count,
  documents: count,
  bytes: count,
  sha256: z.string(),
  leftOut: leftOutSchema,
  hashes: count,
});

export const sourceFile = 'stream.json';
const recordsFile = 'blocks.jsonl';
const hashesFile = 'hashes.bin';
const hashBytes = 8;

export const blockPath = (folder: string, n: number): string =>
  join(folder, `block-${String(n).padStart(6, '0')}.bin`);

/** Where the document starts begin in the file of a block. */
export const documentsOffset = (tokens: number, width: 2 | 4): number => Math.ceil((tokens * width) / 8) * 8;

/** Size of the file of a block. */
export const blockBytes = (
  { tokens, documents }: { tokens: number; documents: number },
  width: 2 | 4,
): number => documentsOffset(tokens, width) + documents * 8;

/** What a stream reads. Refuses `data/stream-damaged`. */
export async function readSource(folder: string): Promise<StreamSource> {
  const path = join(folder, sourceFile);
  const { data } = streamSource.safeParse(await readJson(path));
  return data ?? refuse('data/stream-damaged', { path });
}

export interface BlockStore {
  readonly records: readonly BlockRecord[];
  /** Whether the file of block `n` is there, and is what its line says. */
  hasBlock(n: number): Promise<boolean>;
  /** Writes block `n`: the next one, or one of the lines. Refuses `data/stream-changed` if it differs from its line. */
  write(n: number, block: Block): Promise<BlockRecord>;
  /** Removes the files of blocks before `from`, and of block `to` and later ones. */
  keepOnly(from: number, to?: number): Promise<void>;
  /** The hashes of the epoch of block `n` before it. */
  readSeen(n: number): Promise<SeenHashes>;
  close(): Promise<void>;
}

/** Opens the folder for writing. A torn line at the end is removed. */
export async function openBlockStore(folder: string, source: StreamSource): Promise<BlockStore> {
  const width = widthOf(source);
  const recordsPath = join(folder, recordsFile);
  const hashesPath = join(folder, hashesFile);
  const openFile = (path: string): Promise<FileHandle> =>
    writeOrRefuse(path, () => open(path, constants.O_RDWR | constants.O_CREAT));
  const recordsHandle = await openFile(recordsPath);
  const hashesHandle = await openFile(hashesPath);
  const storedHashes = Math.floor((await hashesHandle.stat()).size / hashBytes);
  const text = await readOrRefuse(recordsPath, async () => (await recordsHandle.readFile()).toString('utf8'));
  const { records, length } = parseRecords(text, storedHashes);
  let end = length;
  let hashes = records.reduce((sum, record) => sum + record.hashes, 0);
  await writeOrRefuse(recordsPath, () => recordsHandle.truncate(end));

  return {
    records,
    async hasBlock(n) {
      const record = records[n];
      if (!record) return false;
      const bytes = await readRegularFile(blockPath(folder, n)).catch(() => undefined);
      return bytes !== undefined && createHash('sha256').update(bytes).digest('hex') === record.sha256;
    },
    async write(n, block) {
      const path = blockPath(folder, n);
      const content = toBytes(block, width);
      const record: BlockRecord = {
        start: block.start,
        next: block.next,
        tokens: block.tokens.length,
        documents: block.documents.length,
        bytes: block.bytes,
        sha256: createHash('sha256').update(content).digest('hex'),
        leftOut: block.leftOut,
        hashes: block.hashes.length,
      };
      const known = records[n];
      if (known && known.sha256 !== record.sha256)
        refuse('data/stream-changed', { name: source.name, block: n });
      await writeOrRefuse(
        path,
        async () => {
          await writeFile(`${path}.part`, content);
          await rename(`${path}.part`, path);
        },
        content.length,
      );
      if (known) return known;
      const line = Buffer.from(`${JSON.stringify(record)}\n`);
      await writeOrRefuse(recordsPath, async () => {
        await writeAt(hashesHandle, new Uint8Array(block.hashes.buffer), hashes * hashBytes);
        await writeAt(recordsHandle, line, end);
      });
      hashes += record.hashes;
      end += line.length;
      records.push(record);
      return record;
    },
    async keepOnly(from, to = Infinity) {
      await removeBlockFiles(folder, (n) => n < from || n >= to);
    },
    async readSeen(n) {
      const seen = createSeenHashes();
      const epoch = (records[n]?.start ?? records.at(-1)?.next)?.epoch;
      let offset = 0;
      for (const record of records.slice(0, n)) {
        if (record.start.epoch === epoch && record.hashes > 0) {
          const bytes = new Uint8Array(record.hashes * hashBytes);
          await readOrRefuse(hashesPath, () => hashesHandle.read(bytes, 0, bytes.length, offset * hashBytes));
          for (const hash of new BigUint64Array(bytes.buffer)) seen.add(hash);
        }
        offset += record.hashes;
      }
      return seen;
    },
    async close() {
      await recordsHandle.close();
      await hashesHandle.close();
    },
  };
}

/** Removes the files of blocks, or of those that `isRemoved` accepts. */
export async function removeBlockFiles(
  folder: string,
  isRemoved: (n: number) => boolean = () => true,
): Promise<void> {
  for (const name of await readOrRefuse(folder, () => readdir(folder))) {
    const match = /^block-(\d+)\.bin(\.part)?$/.exec(name);
    if (match && isRemoved(Number(match[1]))) await removeIfThere(join(folder, name));
  }
}

const removeIfThere = (path: string): Promise<void> =>
  writeOrRefuse(path, () =>
    rm(path).catch((thrown: unknown) => {
      if (!isNotFound(thrown)) throw thrown;
    }),
  );

/** The lines up to the first that is torn, does not continue the one before, or whose hashes are not there. */
function parseRecords(
  text: string,
  storedHashes: number,
): { readonly records: BlockRecord[]; readonly length: number } {
  const records: BlockRecord[] = [];
  let length = 0;
  let hashes = 0;
  for (let at = 0; ;) {
    const lineEnd = text.indexOf('\n', at);
    if (lineEnd === -1) break;
    const record = parseRecord(text.slice(at, lineEnd));
    if (!record || hashes + record.hashes > storedHashes) break;
    records.push(record);
    hashes += record.hashes;
    at = lineEnd + 1;
    length = at; // Every line is ASCII.
  }
  return { records, length };
}

const parseRecord = (line: string): BlockRecord | undefined => parseJsonIfValid(line, blockRecord);

function toBytes({ tokens, documents }: Block, width: 2 | 4): Buffer {
  const bytes = Buffer.alloc(blockBytes({ tokens: tokens.length, documents: documents.length }, width));
  bytes.set(new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength), 0);
  bytes.set(new Uint8Array(documents.buffer), documentsOffset(tokens.length, width));
  return bytes;
}
