/** @file Reads the end of a text file, for logs. */
import { open } from 'node:fs/promises';
import { isNotFound, toReadError } from '../fs/files.ts';

/** The last `maxBytes` bytes of a file, from the first complete line on. Empty when there is no file. */
export async function readTail(path: string, maxBytes: number): Promise<string> {
  const file = await open(path, 'r').catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw toReadError(path, error);
  });
  if (!file) return '';
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - maxBytes);
    const bytes = Buffer.alloc(size - start);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, start);
    const text = bytes.toString('utf8', 0, bytesRead);
    return start === 0 ? text : text.slice(text.indexOf('\n') + 1);
  } finally {
    await file.close();
  }
}
