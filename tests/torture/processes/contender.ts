/**
 * @file A process that contends for a lock when its parent says so, and reports whether it got it and whether
 * another process was inside at the same time.
 */
import { closeSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../../../src-main/base/errors.ts';
import { withLock } from '../../../src-main/store/fs/lock.ts';
import { openSession } from '../../../src-main/store/run/runs.ts';

/** What to contend for: the trainer's lock of the run in `dir`, or the lock of the list `dir/list`. */
export interface Contest {
  readonly kind: 'run' | 'list';
  readonly dir: string;
  /** Milliseconds to stay inside. */
  readonly stay: number;
}
export interface Result {
  readonly held: boolean;
  /** True if another process was inside too. */
  readonly overlapped: boolean;
}

const wait = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** Stays inside for a while. Returns true if another process is there. */
async function stayInside(dir: string, ms: number): Promise<boolean> {
  const marker = join(dir, 'inside');
  try {
    closeSync(openSync(marker, 'wx'));
  } catch {
    return true;
  }
  await wait(ms);
  rmSync(marker);
  return false;
}

async function contend({ kind, dir, stay }: Contest): Promise<Result> {
  if (kind === 'list') {
    let overlapped = false;
    await withLock(join(dir, 'list'), async () => {
      overlapped = await stayInside(dir, stay);
    });
    return { held: true, overlapped };
  }
  try {
    const session = await openSession(dir);
    const overlapped = await stayInside(dir, stay);
    await session.close();
    return { held: true, overlapped };
  } catch (error) {
    if (error instanceof AppError && error.code === 'run/already-running')
      return { held: false, overlapped: false };
    throw error;
  }
}

process.on('message', (contest: Contest) => {
  void contend(contest).then((result) => process.send!(result));
});
process.send!('ready');
