/**
 * @file The lock of a repository: one holder, whatever others do at the same time, and a dead one is no
 * hindrance.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { heldCommit, hold } from '../../../src-main/store/hub/journal.ts';
import { refusal } from '../../support/refusal.ts';
import { freshFolder } from '../../support/temporary.ts';

const commit = 'c'.repeat(40);
const other = 'd'.repeat(40);
const gone = spawnSync(process.execPath, ['-e', '']).pid;
const old = new Date(Date.now() - 60_000);
/** A repository's folder with a lock of this text. */
function locked(text: string, time = new Date()): { readonly folder: string; readonly lock: string } {
  const folder = join(freshFolder(), 'models--a--b');
  const lock = join(folder, '.cambium', 'lock');
  mkdirSync(join(folder, '.cambium'), { recursive: true });
  writeFileSync(lock, text);
  utimesSync(lock, time, time);
  return { folder, lock };
}

it('holds a repository for one commit, and leaves no folder behind', async () => {
  const folder = join(freshFolder(), 'models--a--b');
  const release = await hold(folder, 'a/b', commit);
  expect(await heldCommit(folder)).toBe(commit);
  expect((await refusal('hub/already', () => hold(folder, 'a/b', other))).detail).toEqual({ repo: 'a/b' });
  await release();
  expect([await heldCommit(folder), existsSync(folder)]).toEqual([undefined, false]);
});

it('of many that find a dead lock at once, one takes it', async () => {
  for (let round = 0; round < 20; round++) {
    const { folder } = locked(`${gone} ${other}`);
    const tried = await Promise.allSettled(Array.from({ length: 8 }, () => hold(folder, 'a/b', commit)));
    expect(tried.filter(({ status }) => status === 'fulfilled').length).toBe(1);
    expect(readdirSync(join(folder, '.cambium'))).toEqual(['lock']);
    for (const one of tried)
      if (one.status === 'fulfilled') await one.value();
      else expect(one.reason).toMatchObject({ code: 'hub/already' });
  }
});

it('a lock that has just been made is held before it says by whom, one that is not touched any more is not', async () => {
  const fresh = locked('');
  await refusal('hub/already', () => hold(fresh.folder, 'a/b', commit));
  for (const { folder } of [
    locked('', old),
    locked(`${process.pid} ${other}`, old),
    locked(`${gone} ${other}`),
  ]) {
    const release = await hold(folder, 'a/b', commit);
    expect(await heldCommit(folder)).toBe(commit);
    await release();
  }
});

it('lets go of its own lock alone', async () => {
  const folder = join(freshFolder(), 'models--a--b');
  const lock = join(folder, '.cambium', 'lock');
  const release = await hold(folder, 'a/b', commit);
  writeFileSync(lock, `${process.ppid} ${other}`);
  await release();
  expect(readFileSync(lock, 'utf8')).toBe(`${process.ppid} ${other}`);
});
