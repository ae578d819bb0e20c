import { mkdirSync, promises, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename, join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { writeFolder } from '../../../src-main/store/fs/folder.ts';
import { formatOwner, markOwnProcess } from '../../../src-main/store/fs/process.ts';
import {
  getReplacedName,
  removeStaleFolders,
  restoreReplacedFolder,
} from '../../../src-main/store/fs/stale-folders.ts';
import { newestStep, saveStep } from '../../../src-main/store/run/runs.ts';
import { freshFolder } from '../../support/temporary.ts';
import { createTestRun } from '../run/run-fixtures.ts';

const own = markOwnProcess();
const deadPid = 2 ** 22 + 12_345; // above the largest process id on Linux
const live = formatOwner(own);
const dead = formatOwner({ ...own, pid: deadPid });
const foreign = formatOwner({ ...own, system: 'ffffffff', machine: null });
const restarted = formatOwner({ ...own, system: 'ffffffff' });

afterEach(() => {
  vi.restoreAllMocks();
});

/** A folder with folders of these names, each with a file that holds its name. */
function createFolders(...names: readonly string[]): string {
  const parent = freshFolder();
  for (const name of names) {
    mkdirSync(join(parent, name));
    writeFileSync(join(parent, name, 'name'), name);
  }
  return parent;
}
const list = (parent: string): readonly string[] => readdirSync(parent).sort();
const nameIn = (dir: string): string => readFileSync(join(dir, 'name'), 'utf8');

describe('removeStaleFolders', () => {
  it('removes folders of dead processes, and keeps those of live ones and those of other machines', async () => {
    const kept = [
      `.a.partial-${live}-0-99`,
      `.a.partial-${foreign}-0-1`,
      '.hidden',
      `.a.partial-${process.pid}-0-1`,
    ];
    const removed = [`.a.partial-${dead}-0-1`, `.a.partial-${dead}-0-2-removed`, `.a.partial-${deadPid}-0-1`];
    const other = `.b.partial-${dead}-0-1`;
    const parent = createFolders(...kept, ...removed, other);
    await writeFolder(join(parent, 'a'), () => Promise.resolve());
    expect(list(parent)).toEqual([...kept, other, 'a'].sort());
    expect(await removeStaleFolders(parent)).toEqual([join(parent, other)]);
  });

  it.skipIf(own.machine === null)('removes folders from before this computer was restarted', async () => {
    const parent = createFolders(`.a.partial-${restarted}-0-1`);
    await removeStaleFolders(parent);
    expect(list(parent)).toEqual([]);
  });

  it('removes a folder of another machine after two minutes in which it did not change', async () => {
    const folder = `.a.partial-${foreign}-0-1`;
    const parent = createFolders(folder);
    let now = performance.now();
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    const look = async (): Promise<readonly string[]> => {
      await removeStaleFolders(parent);
      return list(parent);
    };
    expect(await look()).toEqual([folder]);
    now += 119_000;
    expect(await look()).toEqual([folder]);
    utimesSync(join(parent, folder), new Date(), new Date(Date.now() - 3_600_000));
    now += 2000;
    expect(await look()).toEqual([folder]);
    now += 121_000;
    expect(await look()).toEqual([]);
  });
});

describe('a folder whose replacement was interrupted', () => {
  const old = `.a.partial-${dead}-0-3-old`;

  it.each([
    ['between the two renames', [old, `.a.partial-${dead}-0-3`]],
    ['and cleaned up by half', [old]],
  ])('gets its name back %s', async (_, names) => {
    for (const restore of [
      (parent: string) => removeStaleFolders(parent),
      (parent: string) => removeStaleFolders(parent, 'a'),
    ]) {
      const parent = createFolders(...names);
      await restore(parent);
      expect(list(parent)).toEqual(['a']);
      expect(nameIn(join(parent, 'a'))).toBe(old);
    }
  });

  it('is removed if the new one is in its place', async () => {
    const parent = createFolders(old, 'a');
    expect(restoreReplacedFolder(join(parent, 'a'))).toBe(false);
    expect(await removeStaleFolders(parent)).toEqual([join(parent, old)]);
    expect(nameIn(join(parent, 'a'))).toBe('a');
  });

  it('is not taken back once its removal began, though a power failure left a part of it', async () => {
    const dir = join(freshFolder(), 'a');
    mkdirSync(dir);
    const removed: string[] = [];
    const { rm } = promises;
    vi.spyOn(promises, 'rm').mockImplementation((path, options) => {
      removed.push(String(path));
      return rm(path, options);
    });
    syncBuiltinESMExports();
    try {
      await writeFolder(dir, () => Promise.resolve(), { replace: true });
    } finally {
      vi.restoreAllMocks();
      syncBuiltinESMExports();
    }
    expect(removed).toHaveLength(1);
    expect(getReplacedName(basename(removed[0]!))).toBeUndefined();
  });

  it('is left to a live process that replaces it', async () => {
    const parent = createFolders(`.a.partial-${live}-0-3-old`, `.b.partial-${foreign}-0-3-old`);
    expect(restoreReplacedFolder(join(parent, 'a'))).toBe(false);
    expect(restoreReplacedFolder(join(parent, 'b'))).toBe(false);
    await removeStaleFolders(parent);
    expect(list(parent)).toHaveLength(2);
  });

  it('is a checkpoint of its run again', async () => {
    const dir = await createTestRun();
    for (const step of [5, 10])
      await saveStep(dir, step, (folder) => Promise.resolve(writeFileSync(join(folder, 'a'), 'A')));
    const steps = join(dir, 'checkpoints');
    mkdirSync(join(steps, `.step-000020.partial-${dead}-0-1-old`));
    mkdirSync(join(steps, `.step-000020.partial-${dead}-0-1`));
    expect((await newestStep(dir))?.step).toBe(20);
  });
});
