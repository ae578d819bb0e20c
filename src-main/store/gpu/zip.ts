/** @file Extracts single files from a zip archive: reads the central directory, then each file by its range. */
import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';
import { refuse } from '../../base/errors.ts';
import { openRegularFile, readOrRefuse, writeOrRefuse } from '../fs/files.ts';

/** One file of an archive. */
export interface ZipEntry {
  readonly name: string;
  readonly isDeflated: boolean;
  readonly compressedBytes: number;
  /** Size when extracted. */
  readonly bytes: number;
  /** Where its local header begins. */
  readonly headerOffset: number;
}

const signatures = { end: 0x06054b50, entry: 0x02014b50, localHeader: 0x04034b50 };
const endBytes = 22;
const maxCommentBytes = 65_535;
const entryBytes = 46;
const localHeaderBytes = 30;
const methods = { stored: 0, deflate: 8 };

const refuseArchive = (path: string, why: string): never => refuse('file/unreadable', { path, why });

/** Lists the files of an archive below 4 GiB. Refuses `file/unreadable` when it is damaged. */
export const readZipEntries = (path: string): Promise<readonly ZipEntry[]> =>
  readOrRefuse(path, async () => {
    const { file } = await openRegularFile(path);
    try {
      const { directory, count } = await readDirectory(file, path);
      const entries: ZipEntry[] = [];
      for (let i = 0, at = 0; i < count; i++) {
        if (at + entryBytes > directory.length || directory.readUInt32LE(at) !== signatures.entry)
          return refuseArchive(path, 'its list of files is damaged');
        const method = directory.readUInt16LE(at + 10);
        if (method !== methods.deflate && method !== methods.stored)
          return refuseArchive(path, `its compression method ${method} is not supported`);
        const nameLength = directory.readUInt16LE(at + 28);
        const extraLength = directory.readUInt16LE(at + 30);
        const commentLength = directory.readUInt16LE(at + 32);
        entries.push({
          name: directory.toString('utf8', at + entryBytes, at + entryBytes + nameLength),
          isDeflated: method === methods.deflate,
          compressedBytes: directory.readUInt32LE(at + 20),
          bytes: directory.readUInt32LE(at + 24),
          headerOffset: directory.readUInt32LE(at + 42),
        });
        at += entryBytes + nameLength + extraLength + commentLength;
      }
      return entries;
    } finally {
      await file.close();
    }
  });

/** Reads the central directory and the number of its entries. */
async function readDirectory(
  file: FileHandle,
  path: string,
): Promise<{ readonly directory: Buffer; readonly count: number }> {
  const { size } = await file.stat();
  const tail = Buffer.alloc(Math.min(size, endBytes + maxCommentBytes));
  await file.read(tail, 0, tail.length, size - tail.length);
  let end = tail.length - endBytes;
  while (end >= 0 && tail.readUInt32LE(end) !== signatures.end) end--;
  if (end < 0) return refuseArchive(path, 'it is not a zip archive, or it is cut off');
  const count = tail.readUInt16LE(end + 10);
  const directoryBytes = tail.readUInt32LE(end + 12);
  if (directoryBytes > size) return refuseArchive(path, 'its list of files is cut off');
  const directory = Buffer.alloc(directoryBytes);
  const { bytesRead } = await file.read(directory, 0, directory.length, tail.readUInt32LE(end + 16));
  if (bytesRead < directory.length) return refuseArchive(path, 'its list of files is cut off');
  return { directory, count };
}

/**
 * Streams the extracted bytes of one file to `sink`, and ends at the size that the list of files promises: a small
 * archive may unpack to more than a disk holds. An error of `sink` that is no `AppError` is a read error.
 */
async function streamEntry(
  path: string,
  entry: ZipEntry,
  sink: (chunks: AsyncIterable<Buffer>) => Promise<void>,
): Promise<void> {
  const start = await findData(path, entry);
  const compressed =
    entry.compressedBytes === 0
      ? Readable.from([])
      : (await openRegularFile(path)).file.createReadStream({
          start,
          end: start + entry.compressedBytes - 1,
        });
  const limit = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let bytes = 0;
    for await (const chunk of chunks) {
      bytes += chunk.length;
      if (bytes > entry.bytes) refuseArchive(path, `${entry.name} has more than ${entry.bytes} bytes`);
      yield chunk;
    }
  };
  await readOrRefuse(path, () =>
    entry.isDeflated
      ? pipeline(compressed, createInflateRaw(), limit, sink)
      : pipeline(compressed, limit, sink),
  );
}

/** The offset of a file's bytes. The lengths in its local header may differ from those in the directory. */
const findData = (path: string, { name, headerOffset }: ZipEntry): Promise<number> =>
  readOrRefuse(path, async () => {
    const { file } = await openRegularFile(path);
    try {
      const header = Buffer.alloc(localHeaderBytes);
      await file.read(header, 0, localHeaderBytes, headerOffset);
      if (header.readUInt32LE(0) !== signatures.localHeader)
        refuseArchive(path, `${name} is not where its list of files says`);
      return headerOffset + localHeaderBytes + header.readUInt16LE(26) + header.readUInt16LE(28);
    } finally {
      await file.close();
    }
  });

/**
 * Extracts one file to `target`. Returns its SHA-256 as base64url without padding, like the RECORD of a
 * wheel.
 */
export async function extractEntry(
  path: string,
  entry: ZipEntry,
  target: string,
  onBytes: (bytes: number) => void = () => undefined,
): Promise<string> {
  const hash = createHash('sha256');
  const file = await writeOrRefuse(target, () => open(target, 'w'));
  let bytes = 0;
  try {
    await streamEntry(path, entry, async (chunks) => {
      for await (const chunk of chunks) {
        hash.update(chunk);
        await writeOrRefuse(target, () => file.writeFile(chunk));
        onBytes(chunk.length);
        bytes += chunk.length;
      }
    });
  } finally {
    await file.close();
  }
  if (bytes !== entry.bytes) refuseArchive(path, `${entry.name} has ${bytes} bytes, not ${entry.bytes}`);
  return hash.digest('base64url');
}

/** Bytes of the longest text file. The RECORD of a wheel with ten thousand files has 1 MB. */
const maxTextBytes = 16 << 20;

/** Reads a small text file of the archive. Refuses `file/unreadable`, also if it is not small. */
export async function readEntryText(path: string, entry: ZipEntry): Promise<string> {
  if (entry.bytes > maxTextBytes) refuseArchive(path, `${entry.name} has ${entry.bytes} bytes`);
  const parts: Buffer[] = [];
  await streamEntry(path, entry, async (chunks) => {
    for await (const chunk of chunks) parts.push(chunk);
  });
  return Buffer.concat(parts).toString('utf8');
}
