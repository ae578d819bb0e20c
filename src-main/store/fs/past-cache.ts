/**
 * @file Reads and writes past the system's page cache, where system and file system have such: copying
 * gigabytes through that cache costs a core of its own.
 */
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { refuse } from '../../base/errors.ts';
import { reading } from './files.ts';

declare const WebAssembly: {
  readonly Memory: new (limits: {
    readonly initial: number;
    readonly maximum?: number;
    readonly shared?: boolean;
  }) => { readonly buffer: ArrayBuffer | SharedArrayBuffer };
};

/**
 * Places, lengths and addresses that a disk takes directly are multiples of this (the page size; sectors are
 * 512 or 4096 bytes).
 */
export const alignment = 4096;
/** Bytes of one read. */
const pieceBytes = 8 << 20;
const page = 65_536;
const mostPages = 65_536;

/**
 * Memory that begins at a page, which no other kind that JavaScript can ask for is sure to. `bytes` are
 * rounded up, and at most 4 GiB.
 */
export const alignedMemory = (bytes: number): ArrayBuffer =>
  new WebAssembly.Memory({ initial: Math.ceil(bytes / page) }).buffer as ArrayBuffer;

/** As `alignedMemory`, shared between threads; undefined where that is more than there can be. */
export function alignedShared(bytes: number): SharedArrayBuffer | undefined {
  const pages = Math.ceil(bytes / page);
  return pages > mostPages
    ? undefined
    : (new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer as SharedArrayBuffer);
}

/** Whether a failure says that this cannot be done directly. */
export const refusesDirect = (error: unknown): boolean =>
  ['EINVAL', 'EOPNOTSUPP', 'ENOTSUP'].includes((error as NodeJS.ErrnoException).code ?? '');

/** A file opened for reads or writes past the cache; undefined on systems and file systems without such. */
export async function openDirect(path: string, access: 'read' | 'write'): Promise<FileHandle | undefined> {
  if (!('O_DIRECT' in constants)) return undefined;
  try {
    return await open(
      path,
      (access === 'read' ? constants.O_RDONLY : constants.O_WRONLY) | constants.O_DIRECT,
    );
  } catch (error) {
    if (refusesDirect(error)) return undefined;
    throw error;
  }
}

/** Room that `readPastCache` needs for so many bytes anywhere in a file. */
export const roomFor = (bytes: number): number => bytes + 2 * alignment;

/**
 * `bytes` of `path` from `start` on, somewhere in `memory`, which is aligned and has room for them. Refuses a
 * file that ends before.
 */
export async function readPastCache(
  path: string,
  start: number,
  bytes: number,
  memory: SharedArrayBuffer,
): Promise<Uint8Array> {
  const skipped = start % alignment;
  const wanted = skipped + bytes;
  const whole = Math.ceil(wanted / alignment) * alignment;
  const fill = async (file: FileHandle, at: number): Promise<number> => {
    while (at < wanted) {
      const { bytesRead } = await file.read(
        new Uint8Array(memory, at, Math.min(pieceBytes, whole - at)),
        0,
        undefined,
        start - skipped + at,
      );
      if (bytesRead === 0)
        refuse('safetensors/truncated', { path, expected: start + bytes, found: start - skipped + at });
      at += bytesRead;
      // the end of the file, or a place from which it cannot go on directly
      if (bytesRead % alignment !== 0) break;
    }
    return at;
  };
  return reading(path, async () => {
    let done = 0;
    const direct = await openDirect(path, 'read');
    if (direct)
      try {
        done = await fill(direct, 0);
      } catch (error) {
        if (!refusesDirect(error)) throw error;
      } finally {
        await direct.close();
      }
    if (done < wanted) {
      const file = await open(path, 'r');
      try {
        while (done < wanted) done = await fill(file, done);
      } finally {
        await file.close();
      }
    }
    return new Uint8Array(memory, skipped, bytes);
  });
}
