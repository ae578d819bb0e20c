/**
 * @file Writes a large new file from start to end, with direct I/O where possible: copying gigabytes through
 * the page cache keeps a whole core busy.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { allocateAligned, directIoAlignment, isDirectIoUnsupported, openDirect } from './direct-io.ts';

export interface SequentialFile {
  /**
   * Writes the next bytes. `chunk` may be reused once it resolves. The write may still be under way then; if
   * it fails, a later call throws.
   */
  write(chunk: Uint8Array): Promise<void>;
  /** Writes the rest, syncs to disk and closes the file. */
  finish(): Promise<void>;
  /** Closes the file as it is. */
  abort(): Promise<void>;
}

/** Bytes of one direct write. */
const bufferBytes = 8 << 20;
/** One buffer fills while the others are written. */
const bufferCount = 3;
/** Shorter files go through the page cache. */
const minDirectBytes = 4 * bufferBytes;
/** Writes are split: system calls take at most 2 GiB. */
const maxWriteBytes = 1 << 26;

/** Aligned buffers, kept for the next file. */
const spareBuffers: Uint8Array<ArrayBuffer>[] = [];

const takeBuffer = (): Uint8Array<ArrayBuffer> =>
  spareBuffers.pop() ?? new Uint8Array(allocateAligned(bufferBytes));

/** Writes all of `bytes` to `file` at byte `offset`. */
export async function writeAt(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength;) {
    const length = Math.min(maxWriteBytes, bytes.byteLength - done);
    const { bytesWritten } = await file.write(bytes, done, length, offset + done);
    done += bytesWritten;
  }
}

/** Creates a file of `bytes` bytes. Throws `EEXIST` when there is one at `path`. */
export async function createSequentialFile(path: string, bytes: number): Promise<SequentialFile> {
  const file = await open(path, 'wx');
  if (bytes < minDirectBytes) return createCachedFile(file);
  try {
    const direct = await openDirect(path, 'write');
    return direct ? createDirectFile(file, direct) : createCachedFile(file);
  } catch (error) {
    await file.close();
    throw error;
  }
}

function createCachedFile(file: FileHandle): SequentialFile {
  let offset = 0;
  return {
    async write(chunk) {
      await writeAt(file, chunk, offset);
      offset += chunk.byteLength;
    },
    async finish() {
      try {
        await file.sync();
      } finally {
        await file.close();
      }
    },
    abort: () => file.close(),
  };
}

/** Full buffers go through `direct`. The last part of the file, which is not aligned, goes through `file`. */
function createDirectFile(file: FileHandle, direct: FileHandle): SequentialFile {
  const slots = Array.from({ length: bufferCount }, () => ({
    bytes: takeBuffer(),
    pendingWrite: Promise.resolve(),
  }));
  let offset = 0;
  let filled = 0;
  let current = 0;
  let isDirectSupported = true;
  const writeBuffer = async (bytes: Uint8Array, at: number): Promise<void> => {
    let done = 0;
    try {
      if (isDirectSupported) done = (await direct.write(bytes, 0, bytes.byteLength, at)).bytesWritten;
    } catch (error) {
      if (!isDirectIoUnsupported(error)) throw error;
      isDirectSupported = false;
    }
    await writeAt(file, bytes.subarray(done), at + done);
  };
  const releaseBuffers = async (): Promise<void> => {
    await Promise.allSettled(slots.map((slot) => slot.pendingWrite));
    spareBuffers.push(...slots.map((slot) => slot.bytes));
    slots.length = 0;
  };
  const close = async (): Promise<void> => {
    await direct.close();
    await file.close();
  };
  return {
    async write(chunk) {
      for (let done = 0; done < chunk.byteLength;) {
        const slot = slots[current]!;
        const length = Math.min(bufferBytes - filled, chunk.byteLength - done);
        if (filled === 0) await slot.pendingWrite;
        slot.bytes.set(chunk.subarray(done, done + length), filled);
        done += length;
        filled += length;
        if (filled < bufferBytes) continue;
        slot.pendingWrite = writeBuffer(slot.bytes, offset);
        // A failure is thrown when this buffer is used again, or by `finish`.
        slot.pendingWrite.catch(() => undefined);
        offset += bufferBytes;
        filled = 0;
        current = (current + 1) % bufferCount;
      }
    },
    async finish() {
      try {
        const alignedLength = filled - (filled % directIoAlignment);
        const { bytes } = slots[current]!;
        await Promise.all(slots.map((slot) => slot.pendingWrite));
        if (alignedLength > 0) await writeBuffer(bytes.subarray(0, alignedLength), offset);
        await writeAt(file, bytes.subarray(alignedLength, filled), offset + alignedLength);
        await file.sync();
      } finally {
        await releaseBuffers();
        await close();
      }
    },
    async abort() {
      await releaseBuffers();
      await close();
    },
  };
}
