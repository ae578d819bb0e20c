/** @file Reads the end of a text file, for logs. */
import { openRegularFileIfThere } from '../fs/files.ts';

/** The last `maxBytes` bytes of a file, from the first complete line on. Empty when there is no file. */
export async function readTail(path: string, maxBytes: number): Promise<string> {
  const opened = await openRegularFileIfThere(path);
  if (!opened) return '';
  const { file, bytes: size } = opened;
  try {
    const start = Math.max(0, size - maxBytes);
    const bytes = Buffer.alloc(size - start);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, start);
    const text = bytes.toString('utf8', 0, bytesRead);
    return start === 0 ? text : text.slice(text.indexOf('\n') + 1);
  } finally {
    await file.close();
  }
}
