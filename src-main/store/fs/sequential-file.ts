/**
 * @file A large new file written from its first byte to its last, past the system's page cache where it can
 * be: copying gigabytes through that cache costs a core of its own.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { alignedMemory, alignment, openDirect, refusesDirect } from './past-cache.ts';

export interface SequentialFile {
  /** The next bytes. Once it resolves, `chunk` may be used again; a failed write is told by a later call. */
  write(chunk: Uint8Array): Promise<void>;
  /** Everything is on the disk afterwards, and the file closed. */
  finish(): Promise<void>;
  /** Closes the file as it is. */
  abort(): Promise<void>;
}

/** Bytes written directly at once, and how many such pieces are under way while one fills. */
const pieceBytes = 8 << 20;
const pieces = 3;
/** Shorter files go through the cache. */
const leastDirect = 4 * pieceBytes;
/** A write is cut into slices of this many bytes: the system's calls take at most 2 GiB. */
const slice = 1 << 26;

/** Aligned memory, kept for the next file. */
const spare: Uint8Array<ArrayBuffer>[] = [];
const aligned = (): Uint8Array<ArrayBuffer> => spare.pop() ?? new Uint8Array(alignedMemory(pieceBytes));

/** All of `bytes`, from byte `at` of the file on. */
export async function writeAt(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength;)
    done += (await file.write(bytes, done, Math.min(slice, bytes.byteLength - done), at + done)).bytesWritten;
}

/** Makes the file, which must not be there; `bytes`: how many will come. */
export async function createSequential(path: string, bytes: number): Promise<SequentialFile> {
  const file = await open(path, 'wx');
  const direct =
    bytes < leastDirect
      ? undefined
      : await openDirect(path, 'write').catch(async (error: unknown) => {
          await file.close();
          throw error;
        });
  return direct ? pastCache(file, direct) : throughCache(file);
}

function throughCache(file: FileHandle): SequentialFile {
  let at = 0;
  return {
    async write(chunk) {
      await writeAt(file, chunk, at);
      at += chunk.byteLength;
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

/** Whole pieces go out by `direct`; the rest, which is no multiple of anything, by `file`. */
function pastCache(file: FileHandle, direct: FileHandle): SequentialFile {
  const slots = Array.from({ length: pieces }, () => ({ bytes: aligned(), writing: Promise.resolve() }));
  let at = 0;
  let filled = 0;
  let turn = 0;
  let takes = true;
  const put = async (bytes: Uint8Array, place: number): Promise<void> => {
    let done = 0;
    try {
      if (takes) done = (await direct.write(bytes, 0, bytes.byteLength, place)).bytesWritten;
    } catch (error) {
      if (!refusesDirect(error)) throw error;
      takes = false;
    }
    await writeAt(file, bytes.subarray(done), place + done);
  };
  const settle = async (): Promise<void> => {
    await Promise.allSettled(slots.map((slot) => slot.writing));
    spare.push(...slots.map((slot) => slot.bytes));
    slots.length = 0;
  };
  const close = async (): Promise<void> => {
    await direct.close();
    await file.close();
  };
  return {
    async write(chunk) {
      for (let done = 0; done < chunk.byteLength;) {
        const slot = slots[turn]!;
        const many = Math.min(pieceBytes - filled, chunk.byteLength - done);
        if (filled === 0) await slot.writing;
        slot.bytes.set(chunk.subarray(done, done + many), filled);
        [done, filled] = [done + many, filled + many];
        if (filled < pieceBytes) continue;
        slot.writing = put(slot.bytes, at);
        slot.writing.catch(() => undefined); // heard when this piece's turn comes again, or at the end
        [at, filled, turn] = [at + pieceBytes, 0, (turn + 1) % pieces];
      }
    },
    async finish() {
      try {
        const whole = filled - (filled % alignment);
        const { bytes } = slots[turn]!;
        await Promise.all(slots.map((slot) => slot.writing));
        if (whole > 0) await put(bytes.subarray(0, whole), at);
        await writeAt(file, bytes.subarray(whole, filled), at + whole);
        await file.sync();
      } finally {
        await settle();
        await close();
      }
    },
    async abort() {
      await settle();
      await close();
    },
  };
}
