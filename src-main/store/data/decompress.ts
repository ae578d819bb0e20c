/**
 * @file Reads the bytes of a file, unpacked if it is gzip or zstd: every member and frame, to the last byte.
 * Node's streams end at the first frame of a zstd file and at zeros between the members of a gzip file; both
 * formats allow more after them (RFC 8878, RFC 1952).
 */
import type { FileHandle } from 'node:fs/promises';
import { extname } from 'node:path';
import { Readable, pipeline, type Transform } from 'node:stream';
// As a namespace: a Node without Zstandard, such as that of an older Electron, fails only when it meets such a file.
import * as zlib from 'node:zlib';
import { createGunzip } from 'node:zlib';
import { createError, refuse } from '../../base/errors.ts';
import { openRegularFile, toReadError } from '../fs/files.ts';

/** Bytes of one read. */
const blockBytes = 1 << 16;
/** The longest window of a zstd frame that is read, as a power of two; the limit of the format in zstd. */
const maxWindowLog = 31;
/** A file may unpack to this many bytes, and beyond that to this many times its size. */
const maxUnpackedBytes = 2 ** 30;
const maxUnpackedRatio = 1000;

interface Packing {
  readonly name: string;
  createDecompressor(): Transform & { readonly bytesWritten: number };
  /** The bytes at the start of `rest` that are neither data nor an error, such as padding. */
  countPadding(rest: Buffer): number;
}

const packings: Readonly<Record<string, Packing>> = {
  '.gz': {
    name: 'gzip',
    createDecompressor: createGunzip,
    countPadding: (rest) => {
      const end = rest.findIndex((byte) => byte !== 0);
      return end < 0 ? rest.length : end;
    },
  },
  '.zst': {
    name: 'zstd',
    createDecompressor: () =>
      zlib.createZstdDecompress({ params: { [zlib.constants.ZSTD_d_windowLogMax]: maxWindowLog } }),
    countPadding: () => 0,
  },
};

/** Extensions of packed files. */
export const packedExtensions: readonly string[] = Object.keys(packings);

export interface ByteOptions {
  /** Called with the bytes of the file read so far, before they are unpacked. */
  readonly onBytes?: ((done: number) => void) | undefined;
  /** Unpacked bytes that are accepted from any file. Default: 1 GiB. */
  readonly maxUnpackedBytes?: number;
}

/**
 * Yields the bytes of a file, unpacked according to its extension. Refuses `file/not-found`,
 * `file/unreadable`, `file/bad-packing` (damaged, cut off, or something else after the last frame), and
 * `file/bomb` when it unpacks to more than 1 GiB and to more than 1,000 times its size.
 */
export async function* streamBytes(path: string, options: ByteOptions = {}): AsyncGenerator<Buffer> {
  const packing = packings[extname(path).toLowerCase()];
  const { file } = await openRegularFile(path);
  try {
    if (packing) yield* unpack(path, file, packing, options);
    else yield* readBlocks(path, file, 0, options.onBytes);
  } finally {
    await file.close();
  }
}

/** The bytes of a file from `start` on. */
async function* readBlocks(
  path: string,
  file: FileHandle,
  start: number,
  onBytes: ByteOptions['onBytes'],
): AsyncGenerator<Buffer> {
  for (let offset = start; ;) {
    const block = Buffer.allocUnsafe(blockBytes);
    const { bytesRead } = await file.read(block, 0, blockBytes, offset).catch((error: unknown) => {
      throw toReadError(path, error);
    });
    if (bytesRead === 0) return;
    offset += bytesRead;
    onBytes?.(offset);
    yield block.subarray(0, bytesRead);
  }
}

/** Unpacks one frame or member after another. A decompressor says where its frame ended. */
async function* unpack(
  path: string,
  file: FileHandle,
  packing: Packing,
  { onBytes, maxUnpackedBytes: limit = maxUnpackedBytes }: ByteOptions,
): AsyncGenerator<Buffer> {
  const { size } = await file.stat();
  const refusePacking = (why: string): never =>
    refuse('file/bad-packing', { path, packing: packing.name, why });
  if (size === 0) refusePacking('it is empty');
  let unpacked = 0;
  for (let offset = 0; offset < size;) {
    const decompressor = packing.createDecompressor();
    const source = Readable.from(readBlocks(path, file, offset, onBytes));
    // The callback of `pipeline` is required; its error is also thrown by the iteration below.
    pipeline(source, decompressor, () => undefined);
    try {
      for await (const bytes of decompressor as AsyncIterable<Buffer>) {
        unpacked += bytes.length;
        if (unpacked > limit && unpacked > maxUnpackedRatio * size)
          throw createError('file/bomb', { path, packed: size, unpacked });
        yield bytes;
      }
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      if (!/^(Z_|ZSTD_|ERR_)/.test(code)) throw toReadError(path, error);
      const place = offset === 0 ? '' : `after byte ${offset}: `;
      refusePacking(place + (error as Error).message);
    } finally {
      source.destroy();
      decompressor.destroy();
    }
    offset += decompressor.bytesWritten;
    offset = await skipPadding(path, file, offset, packing);
  }
}

/** The offset of the next byte at or after `offset` that is no padding. */
async function skipPadding(
  path: string,
  file: FileHandle,
  offset: number,
  packing: Packing,
): Promise<number> {
  let at = offset;
  for await (const block of readBlocks(path, file, offset, undefined)) {
    const padding = packing.countPadding(block);
    at += padding;
    if (padding < block.length) break;
  }
  return at;
}
