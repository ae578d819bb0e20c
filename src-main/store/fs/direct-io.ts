/**
 * @file Direct I/O: reads and writes that bypass the page cache (O_DIRECT), where the system and the file
 * system support it. Copying gigabytes through the page cache keeps a whole core busy.
 */
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { refuse } from '../../base/errors.ts';
import { readOrRefuse } from './files.ts';

declare const WebAssembly: {
  readonly Memory: new (limits: {
    readonly initial: number;
    readonly maximum?: number;
    readonly shared?: boolean;
  }) => { readonly buffer: ArrayBuffer | SharedArrayBuffer };
};

/**
 * O_DIRECT needs file offsets, lengths and memory addresses that are multiples of this. It is the page size;
 * disk sectors have 512 or 4096 bytes.
 */
export const directIoAlignment = 4096;
/** Bytes of one read. */
const readBytes = 8 << 20;
const wasmPageBytes = 65_536;
const maxWasmPages = 65_536;

/**
 * Allocates memory that begins at a page boundary. Only WebAssembly memory guarantees that in JavaScript.
 * `bytes` is rounded up to 64 KiB; at most 4 GiB.
 */
export const allocateAligned = (bytes: number): ArrayBuffer =>
  new WebAssembly.Memory({ initial: Math.ceil(bytes / wasmPageBytes) }).buffer as ArrayBuffer;

/** As `allocateAligned`, shared between threads. Undefined for more than 4 GiB. */
export function allocateAlignedShared(bytes: number): SharedArrayBuffer | undefined {
  const pages = Math.ceil(bytes / wasmPageBytes);
  if (pages > maxWasmPages) return undefined;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  return memory.buffer as SharedArrayBuffer;
}

/** True when `error` says that the file system does not support direct I/O. */
export const isDirectIoUnsupported = (error: unknown): boolean =>
  ['EINVAL', 'EOPNOTSUPP', 'ENOTSUP'].includes((error as NodeJS.ErrnoException).code ?? '');

/** Opens a file for direct I/O. Undefined where the system or the file system does not support it. */
export async function openDirect(path: string, access: 'read' | 'write'): Promise<FileHandle | undefined> {
  if (!('O_DIRECT' in constants)) return undefined;
  // A FIFO would wait for its other end.
  const mode = access === 'read' ? constants.O_RDONLY | constants.O_NONBLOCK : constants.O_WRONLY;
  try {
    return await open(path, mode | constants.O_DIRECT);
  } catch (error) {
    if (isDirectIoUnsupported(error)) return undefined;
    throw error;
  }
}

/** Bytes of memory that `readDirect` needs to read `bytes` from any offset. */
export const getDirectReadCapacity = (bytes: number): number => bytes + 2 * directIoAlignment;

/**
 * Reads `bytes` of `path` from byte `start` on, with direct I/O where possible. `memory` is aligned and holds
 * at least `getDirectReadCapacity(bytes)`. Returns a view of the bytes in `memory`. Refuses
 * `safetensors/truncated` when the file ends earlier.
 */
export async function readDirect(
  path: string,
  start: number,
  bytes: number,
  memory: SharedArrayBuffer,
): Promise<Uint8Array> {
  // The read begins at the aligned offset before `start`.
  const skipped = start % directIoAlignment;
  const wanted = skipped + bytes;
  const alignedLength = Math.ceil(wanted / directIoAlignment) * directIoAlignment;
  const readFrom = async (file: FileHandle, done: number): Promise<number> => {
    while (done < wanted) {
      const target = new Uint8Array(memory, done, Math.min(readBytes, alignedLength - done));
      const { bytesRead } = await file.read(target, 0, undefined, start - skipped + done);
      if (bytesRead === 0)
        refuse('safetensors/truncated', { path, expected: start + bytes, found: start - skipped + done });
      done += bytesRead;
      // The file ends here, or the next direct read would not be aligned.
      if (bytesRead % directIoAlignment !== 0) break;
    }
    return done;
  };
  return readOrRefuse(path, async () => {
    let done = 0;
    const direct = await openDirect(path, 'read');
    if (direct)
      try {
        done = await readFrom(direct, 0);
      } catch (error) {
        if (!isDirectIoUnsupported(error)) throw error;
      } finally {
        await direct.close();
      }
    if (done < wanted) {
      const file = await open(path, 'r');
      try {
        while (done < wanted) done = await readFrom(file, done);
      } finally {
        await file.close();
      }
    }
    return new Uint8Array(memory, skipped, bytes);
  });
}
