/** @file The end of a text file, from its first whole line on. */
import { open } from 'node:fs/promises';
import { isAbsent, readFailure } from '../fs/files.ts';

/** At most the last `most` bytes; empty where there is no such file. */
export async function readEnd(path: string, most: number): Promise<string> {
  const file = await open(path, 'r').catch((error: unknown) => {
    if (isAbsent(error)) return undefined;
    throw readFailure(path, error);
  });
  if (!file) return '';
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - most);
    const bytes = Buffer.alloc(size - from);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, from);
    const text = bytes.toString('utf8', 0, bytesRead);
    return from === 0 ? text : text.slice(text.indexOf('\n') + 1);
  } finally {
    await file.close();
  }
}
