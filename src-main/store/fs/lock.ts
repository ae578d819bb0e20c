/** @file A lock file: lets one process at a time change a file. */
import { mkdir, open, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeOrRefuse } from './files.ts';

/** Milliseconds. A change takes milliseconds, so an older lock was left by a process that died. */
const staleAfter = 10_000;
const retryDelay = 15;

/**
 * Runs `work` while this process holds `<path>.lock`, and waits for the lock first. Creates the folder of
 * `path`.
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  await writeOrRefuse(dirname(path), () => mkdir(dirname(path), { recursive: true }));
  while (!(await tryLock(lock))) {
    if ((await getAge(lock)) > staleAfter) await rm(lock, { force: true });
    else
      await new Promise((resolve) => {
        setTimeout(resolve, retryDelay);
      });
  }
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}

/** Milliseconds since the lock was made; 0 when it is gone. */
const getAge = (lock: string): Promise<number> =>
  stat(lock).then(
    (found) => Date.now() - found.mtimeMs,
    () => 0,
  );

/** Creates the lock file; false when another process has it. */
async function tryLock(lock: string): Promise<boolean> {
  const file = await writeOrRefuse(lock, () =>
    open(lock, 'wx').catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return null;
      throw error;
    }),
  );
  await file?.close();
  return file !== null;
}
