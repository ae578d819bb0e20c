import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lockRepo, readLockedCommit } from '../../../src-main/store/hub/journal.ts';
import { tryLock } from '../../../src-main/store/fs/lock.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';

const commit = 'c'.repeat(40);
const otherCommit = 'd'.repeat(40);
const deadPid = spawnSync(process.execPath, ['-e', '']).pid;

/** Creates the folder of a repository with a lock of this text. */
function createLocked(text: string): string {
  const folder = join(freshFolder(), 'models--a--b');
  const lock = join(folder, '.cambium', 'lock');
  mkdirSync(join(folder, '.cambium'), { recursive: true });
  writeFileSync(lock, text);
  return folder;
}

describe('lockRepo', () => {
  it('locks a repository for one commit, and leaves no folder behind', async () => {
    const folder = join(freshFolder(), 'models--a--b');
    const release = await lockRepo(folder, 'a/b', commit);
    expect(await readLockedCommit(folder)).toBe(commit);
    const { detail } = await expectAppError('hub/already', () => lockRepo(folder, 'a/b', otherCommit));
    expect(detail).toEqual({ repo: 'a/b' });
    await release();
    expect([await readLockedCommit(folder), existsSync(folder)]).toEqual([undefined, false]);
  });

  it('gives a stale lock to one of several processes that find it', async () => {
    for (let round = 0; round < 20; round++) {
      const folder = createLocked(`${deadPid} ${otherCommit}`);
      expect(await readLockedCommit(folder)).toBeUndefined();
      const attempts = Array.from({ length: 8 }, () => lockRepo(folder, 'a/b', commit));
      const results = await Promise.allSettled(attempts);
      expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(1);
      expect(readdirSync(join(folder, '.cambium'))).toEqual(['lock']);
      for (const result of results)
        if (result.status === 'fulfilled') await result.value();
        else expect(result.reason).toMatchObject({ code: 'hub/already' });
    }
  });

  it('respects the lock of a live process, and one that is just being written', async () => {
    for (const text of ['', `${process.ppid} ${otherCommit}`]) {
      const folder = createLocked(text);
      expect(await readLockedCommit(folder)).toBe(text === '' ? '' : otherCommit);
      expect(await tryLock(join(folder, '.cambium', 'lock'))).toBeUndefined();
    }
  });

  it('releases only its own lock', async () => {
    const folder = join(freshFolder(), 'models--a--b');
    const lock = join(folder, '.cambium', 'lock');
    const release = await lockRepo(folder, 'a/b', commit);
    writeFileSync(lock, `${process.ppid} ${otherCommit}`);
    await release();
    expect(readFileSync(lock, 'utf8')).toBe(`${process.ppid} ${otherCommit}`);
  });
});
