/**
 * @file One process at a time at a file that several change: a lock beside it, for the moment of a change.
 */
import { mkdir, open, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writing } from './files.ts';

/** A change takes milliseconds: a lock that is older was left by a process that died. */
const longest = 10_000;
const pause = 15;

/** Runs `work` while no other process is at `path`, whose folder is made. */
export async function aloneAt<T>(path: string, work: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  await writing(dirname(path), () => mkdir(dirname(path), { recursive: true }));
  while (!(await made(lock))) {
    const since = await stat(lock).then(
      (s) => Date.now() - s.mtimeMs,
      () => 0,
    );
    if (since > longest) await rm(lock, { force: true });
    else
      await new Promise((resolve) => {
        setTimeout(resolve, pause);
      });
  }
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}

/** Whether the lock is ours now. */
async function made(lock: string): Promise<boolean> {
  const file = await writing(lock, () =>
    open(lock, 'wx').catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return null;
      throw error;
    }),
  );
  await file?.close();
  return file !== null;
}
