/**
 * @file Reads and updates the small JSON files of Cambium's own folder. Updates of several processes run one after the
 * other. A file that was read and is no JSON of its schema is renamed to `*.damaged-<time>`, never one that could not
 * be read: the next update would replace it by an empty one.
 */
import { rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { z } from 'zod';
import { AppError } from '../../base/errors.ts';
import { parseJson } from '../../base/json.ts';
import { makeFolder, readRegularFile, writeJson, writeOrRefuse } from '../fs/files.ts';
import { withLock } from '../fs/lock.ts';

/** Bytes of the largest file: a list of many thousand runs. */
const maxBytes = 100e6;

type Content<T> = { readonly state: 'missing' | 'damaged' } | { readonly state: 'valid'; readonly value: T };

async function readContent<T>(path: string, schema: z.ZodType<T>): Promise<Content<T>> {
  let text: string;
  try {
    text = (await readRegularFile(path, maxBytes)).toString('utf8');
  } catch (error) {
    if (error instanceof AppError && error.code === 'file/not-found') return { state: 'missing' };
    throw error;
  }
  try {
    return { state: 'valid', value: parseJson(text, schema) };
  } catch {
    return { state: 'damaged' };
  }
}

/**
 * Reads a file; undefined when it is missing or damaged. A damaged file stays until the next update, so that readers
 * write nothing. Refuses `file/unreadable`.
 */
export async function readStored<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const content = await readContent(path, schema);
  return content.state === 'valid' ? content.value : undefined;
}

/** Replaces a file by what `change` makes of its content. */
export async function updateStored<T>(
  path: string,
  schema: z.ZodType<T>,
  change: (before: T | undefined) => unknown,
): Promise<void> {
  await writeOrRefuse(path, () => makeFolder(dirname(path), { isPrivate: true }));
  await withLock(path, async () => {
    const content = await readContent(path, schema);
    const next = change(content.state === 'valid' ? content.value : undefined);
    if (content.state === 'damaged')
      await writeOrRefuse(path, () => rename(path, `${path}.damaged-${Date.now()}`));
    await writeJson(path, next, { isPrivate: true });
  });
}
