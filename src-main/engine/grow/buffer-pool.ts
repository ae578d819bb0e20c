/** @file Named buffers that are reused from weight to weight, so that growing allocates little memory. */
import { allocateAlignedShared } from '../../store/fs/direct-io.ts';

export class BufferPool {
  readonly #buffers = new Map<string, ArrayBufferLike>();

  /** Returns the first `bytes` bytes of the buffer `name`, which is replaced if it is too small. */
  get(name: string, bytes: number): Uint8Array<ArrayBuffer> {
    let buffer = this.#buffers.get(name) as ArrayBuffer | undefined;
    if (!buffer || buffer.byteLength < bytes) {
      buffer = new ArrayBuffer(bytes);
      this.#buffers.set(name, buffer);
    }
    return new Uint8Array(buffer, 0, bytes);
  }

  /** Like `get`, in memory that threads can share. */
  getShared(name: string, bytes: number): Uint8Array<SharedArrayBuffer> {
    let buffer = this.#buffers.get(name) as SharedArrayBuffer | undefined;
    if (!buffer || buffer.byteLength < bytes) {
      buffer = new SharedArrayBuffer(bytes);
      this.#buffers.set(name, buffer);
    }
    return new Uint8Array(buffer, 0, bytes);
  }

  /**
   * Returns a shared buffer of at least `bytes` bytes that files can be read into directly; undefined if there
   * is none of this size.
   */
  getAligned(name: string, bytes: number): SharedArrayBuffer | undefined {
    const existing = this.#buffers.get(name) as SharedArrayBuffer | undefined;
    if (existing && existing.byteLength >= bytes) return existing;
    const buffer = allocateAlignedShared(bytes);
    if (buffer) this.#buffers.set(name, buffer);
    return buffer;
  }

  clear(): void {
    this.#buffers.clear();
  }
}
