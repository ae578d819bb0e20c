import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lockRepo, readLockedCommit } from '../../../src-main/store/hub/journal.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';

const commit = 'c'.repeat(40);
const otherCommit = 'd'.repeat(40);
const deadPid = spawnSync(process.execPath, ['-e', '']).pid;
const oneMinuteAgo = new Date(Date.now() - 60_000);

/** Creates the folder of a repository with a lock of this text. */
function createLocked(text: string, time = new Date()): string {
  const folder = join(freshFolder(), 'models--a--b');
  const lock = join(folder, '.cambium', 'lock');
  mkdirSync(join(folder, '.cambium'), { recursive: true });
  writeFileSync(lock, text);
  utimesSync(lock, time, time);
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
      const attempts = Array.from({ length: 8 }, () => lockRepo(folder, 'a/b', commit));
      const results = await Promise.allSettled(attempts);
      expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(1);
      expect(readdirSync(join(folder, '.cambium'))).toEqual(['lock']);
      for (const result of results)
        if (result.status === 'fulfilled') await result.value();
        else expect(result.reason).toMatchObject({ code: 'hub/already' });
    }
  });

  it('respects a new lock without content, and takes one that is old or of a dead process', async () => {
    const empty = createLocked('');
    await expectAppError('hub/already', () => lockRepo(empty, 'a/b', commit));
    for (const folder of [
      createLocked('', oneMinuteAgo),
      createLocked(`${process.pid} ${otherCommit}`, oneMinuteAgo),
      createLocked(`${deadPid} ${otherCommit}`),
    ]) {
      const release = await lockRepo(folder, 'a/b', commit);
      expect(await readLockedCommit(folder)).toBe(commit);
      await release();
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
