/**
 * @file Files out of a zip archive without reading the rest of it: the list from its end, then each file by
 * its range.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';
import { refuse } from '../../base/errors.ts';
import { reading, writing } from '../fs/files.ts';

/** One file of an archive. `from` is where its header begins; sizes in bytes. */
export interface ZipEntry {
  readonly name: string;
  readonly deflated: boolean;
  readonly packed: number;
  readonly bytes: number;
  readonly from: number;
}

const marks = { end: 0x06054b50, entry: 0x02014b50, file: 0x04034b50 };
const endSize = 22;
const longestComment = 65_535;
const entrySize = 46;
const headerSize = 30;
const deflate = 8;
const stored = 0;

const damaged = (path: string, why: string): never => refuse('file/unreadable', { path, why });

/** Every file of an archive below 4 GiB. Refuses `file/unreadable` where it is cut off or of another kind. */
export const zipEntries = (path: string): Promise<readonly ZipEntry[]> =>
  reading(path, async () => {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const tail = Buffer.alloc(Math.min(size, endSize + longestComment));
      await file.read(tail, 0, tail.length, size - tail.length);
      let at = tail.length - endSize;
      while (at >= 0 && tail.readUInt32LE(at) !== marks.end) at--;
      if (at < 0) return damaged(path, 'it is not a zip archive, or it is cut off');
      const count = tail.readUInt16LE(at + 10);
      const list = Buffer.alloc(tail.readUInt32LE(at + 12));
      if ((await file.read(list, 0, list.length, tail.readUInt32LE(at + 16))).bytesRead < list.length)
        damaged(path, 'its list of files is cut off');
      const entries: ZipEntry[] = [];
      for (let i = 0, p = 0; i < count; i++) {
        if (p + entrySize > list.length || list.readUInt32LE(p) !== marks.entry)
          return damaged(path, 'its list of files is damaged');
        const method = list.readUInt16LE(p + 10);
        const [name, extra, comment] = [28, 30, 32].map((k) => list.readUInt16LE(p + k)) as [
          number,
          number,
          number,
        ];
        if (method !== deflate && method !== stored)
          return damaged(path, `it is packed by a method (${method}) that is not known`);
        entries.push({
          name: list.toString('utf8', p + entrySize, p + entrySize + name),
          deflated: method === deflate,
          packed: list.readUInt32LE(p + 20),
          bytes: list.readUInt32LE(p + 24),
          from: list.readUInt32LE(p + 42),
        });
        p += entrySize + name + extra + comment;
      }
      return entries;
    } finally {
      await file.close();
    }
  });

/**
 * Gives one file of the archive, unpacked, to `sink`. What fails there and is no `AppError` counts as a
 * failure to read.
 */
async function unpack(
  path: string,
  entry: ZipEntry,
  sink: (chunks: AsyncIterable<Buffer>) => Promise<void>,
): Promise<void> {
  const from = await dataOf(path, entry);
  const packed =
    entry.packed === 0
      ? Readable.from([])
      : createReadStream(path, { start: from, end: from + entry.packed - 1 });
  await reading(path, () =>
    entry.deflated ? pipeline(packed, createInflateRaw(), sink) : pipeline(packed, sink),
  );
}

/**
 * Writes one file of the archive to `to`; its SHA-256 as base64url without padding, as a wheel's RECORD has
 * it.
 */
export async function extract(
  path: string,
  entry: ZipEntry,
  to: string,
  onBytes: (bytes: number) => void = () => undefined,
): Promise<string> {
  const hash = createHash('sha256');
  const file = await writing(to, () => open(to, 'w'));
  let bytes = 0;
  try {
    await unpack(path, entry, async (chunks) => {
      for await (const chunk of chunks) {
        hash.update(chunk);
        await writing(to, () => file.writeFile(chunk));
        onBytes(chunk.length);
        bytes += chunk.length;
      }
    });
  } finally {
    await file.close();
  }
  if (bytes !== entry.bytes) damaged(path, `${entry.name} gives ${bytes} bytes, not ${entry.bytes}`);
  return hash.digest('base64url');
}

/** The text of a small file of the archive. */
export async function textOf(path: string, entry: ZipEntry): Promise<string> {
  const parts: Buffer[] = [];
  await unpack(path, entry, async (chunks) => {
    for await (const chunk of chunks) parts.push(chunk);
  });
  return Buffer.concat(parts).toString('utf8');
}

/** Where an entry's bytes begin: its own header has lengths that may differ from those in the list. */
const dataOf = (path: string, { name, from }: ZipEntry): Promise<number> =>
  reading(path, async () => {
    const file = await open(path, 'r');
    try {
      const header = Buffer.alloc(headerSize);
      await file.read(header, 0, headerSize, from);
      if (header.readUInt32LE(0) !== marks.file) damaged(path, `${name} is not where the list has it`);
      return from + headerSize + header.readUInt16LE(26) + header.readUInt16LE(28);
    } finally {
      await file.close();
    }
  });
