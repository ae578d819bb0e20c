import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { formatOwner, markOwnProcess } from '../../../src-main/store/fs/process.ts';
import { openHome, resolveHomeDir } from '../../../src-main/store/home/home.ts';
import { createRun, type RunRequest } from '../../../src-main/store/run/runs.ts';
import { trainingDefaults } from '../../../src-main/train/settings.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';

const run: RunRequest = { name: 'a', checkpoint: '/c', data: ['/d'], settings: trainingDefaults };

function createFolderWith(file: string): string {
  const dir = freshFolder();
  writeFileSync(join(dir, file), '{}');
  return dir;
}

describe('resolveHomeDir', () => {
  it("returns CAMBIUM_HOME, or the platform's folder for application data", () => {
    expect(resolveHomeDir({ CAMBIUM_HOME: '/x/y' }, 'linux', '/home/a')).toBe(resolve('/x/y'));
    expect(resolveHomeDir({ XDG_DATA_HOME: '/data' }, 'linux', '/home/a')).toBe(join('/data', 'cambium'));
    expect(resolveHomeDir({}, 'linux', '/home/a')).toBe(join('/home/a', '.local', 'share', 'cambium'));
    expect(resolveHomeDir({}, 'darwin', '/Users/a')).toBe(
      join('/Users/a', 'Library', 'Application Support', 'Cambium'),
    );
    expect(resolveHomeDir({ APPDATA: '/roaming' }, 'win32', '/Users/a')).toBe(join('/roaming', 'Cambium'));
  });
});

describe('openHome', () => {
  it('lists remembered checkpoints that exist, newest first and each once', async () => {
    const home = openHome(freePath('home'));
    const a = createFolderWith('config.json');
    const b = createFolderWith('config.json');
    expect(await home.listCheckpoints()).toEqual([]);
    await Promise.all([
      home.rememberCheckpoint(a, 'A'),
      home.rememberCheckpoint(b, 'B'),
      home.rememberCheckpoint(a, 'A2'),
    ]);
    expect((await home.listCheckpoints()).map((item) => [item.dir, item.name])).toEqual([
      [a, 'A2'],
      [b, 'B'],
    ]);
    rmSync(join(b, 'config.json'));
    expect((await openHome(home.dir).listCheckpoints()).map((item) => item.dir)).toEqual([a]);
    await home.forgetCheckpoint(a);
    expect(await home.listCheckpoints()).toEqual([]);
  });

  it('lists remembered runs that exist, and those in its own folder that nobody remembered', async () => {
    const home = openHome(freePath('home'));
    const run = createFolderWith('settings.json');
    await home.rememberRun(run);
    await home.rememberRun(freePath('gone'));
    expect(await home.listRuns()).toEqual([run]);
    const forgotten = join(home.dir, 'runs', 'forgotten');
    for (const dir of [forgotten, join(home.dir, 'runs', '.cambium-trash')]) {
      mkdirSync(dir, { recursive: true });
      writeFileSync(join(dir, 'settings.json'), '{}');
    }
    mkdirSync(join(home.dir, 'runs', 'no-run'));
    expect(await home.listRuns()).toEqual([run, forgotten]);
    await home.rememberRun(forgotten);
    expect(await home.listRuns()).toEqual([forgotten, run]);
  });

  it('gives every process that creates a run a folder of its own, and takes it back if that fails', async () => {
    const dir = freePath('home');
    const folders = await Promise.all(
      Array.from({ length: 8 }, () =>
        openHome(dir).createRunFolder('My Run: Ünique!/..', (path) =>
          Promise.resolve(writeFileSync(join(path, 'settings.json'), '{}', { flag: 'wx' })),
        ),
      ),
    );
    const base = join(dir, 'runs', 'my-run-nique');
    expect([...folders].sort()).toEqual([base, ...[2, 3, 4, 5, 6, 7, 8].map((n) => `${base}-${n}`)]);
    await expect(openHome(dir).createRunFolder('…', () => Promise.reject(new Error('no')))).rejects.toThrow(
      'no',
    );
    const path = await openHome(dir).createRunFolder('…', (free) =>
      Promise.resolve(expect(readdirSync(free)).toEqual([])),
    );
    expect(path).toBe(join(dir, 'runs', 'run'));
  });

  it.skipIf(process.platform === 'win32')('is readable only by its owner', async () => {
    const mask = process.umask(0);
    onTestFinished(() => {
      process.umask(mask);
    });
    const home = openHome(freePath('home'));
    await home.rememberRun('/x');
    await home.updateFile('costs.json', () => ({}));
    const paths = [
      home.dir,
      await home.createCacheDir('tokens'),
      await home.createRunFolder('a', (dir) => createRun(dir, run)),
      ...['runs.json', 'costs.json'].map((name) => join(home.dir, name)),
    ];
    for (const path of paths) expect([path, statSync(path).mode & 0o077]).toEqual([path, 0]);
  });

  it('loses no update of processes that write at the same time, or after one died with the lock', async () => {
    const dir = freePath('home');
    const homes = Array.from({ length: 4 }, () => openHome(dir));
    const runs = Array.from({ length: 24 }, () => createFolderWith('settings.json'));
    await Promise.all(runs.map((run, i) => homes[i % 4]!.rememberRun(run)));
    expect(new Set(await homes[0]!.listRuns())).toEqual(new Set(runs));
    expect(readdirSync(dir)).toEqual(['runs.json']);
    writeFileSync(join(dir, 'runs.json.lock'), JSON.stringify({ pid: 2 ** 22 + 12_345, born: null }));
    const late = createFolderWith('settings.json');
    await homes[1]!.rememberRun(late);
    expect((await homes[2]!.listRuns())[0]).toBe(late);
  });

  it('removes what processes left that died while they wrote a list', async () => {
    const home = openHome(freshFolder());
    const owner = formatOwner({ ...markOwnProcess(), pid: 2 ** 22 + 12_345 });
    const live = `runs.json.${formatOwner(markOwnProcess())}-0-99.new`;
    for (const name of [`runs.json.${owner}-0-1.new`, live]) writeFileSync(join(home.dir, name), '[');
    await home.rememberRun('/x');
    expect(readdirSync(home.dir).sort()).toEqual(['runs.json', live].sort());
  });

  it('renames a damaged list and starts a new one, when it writes and not when it reads', async () => {
    const home = openHome(freshFolder());
    const a = createFolderWith('config.json');
    for (const damage of ['{', '{}', '"x"', '']) {
      writeFileSync(join(home.dir, 'checkpoints.json'), damage);
      const before = readdirSync(home.dir);
      expect(await home.listCheckpoints()).toEqual([]);
      expect(readdirSync(home.dir)).toEqual(before);
      await home.rememberCheckpoint(a, 'A');
      expect((await home.listCheckpoints()).map((item) => item.dir)).toEqual([a]);
    }
    const aside = readdirSync(home.dir).filter((name) => name.includes('damaged'));
    expect(aside.length).toBeGreaterThan(0);
    expect(['{', '{}', '"x"', '']).toContain(readFileSync(join(home.dir, aside[0]!), 'utf8'));
    writeFileSync(
      join(home.dir, 'checkpoints.json'),
      JSON.stringify([null, 3, { dir: 1 }, { dir: a, name: 'A', opened: '' }]),
    );
    expect((await home.listCheckpoints()).map((item) => item.dir)).toEqual([a]);
  });

  // As after EMFILE, EACCES or EIO: the file is there and cannot be read now.
  it('leaves a list alone that cannot be read now', async () => {
    const home = openHome(freshFolder());
    mkdirSync(join(home.dir, 'runs.json'));
    await expectAppError('file/unreadable', () => home.listRuns());
    expect(await home.rememberRun('/x')).toBe(false);
    await expectAppError('file/unreadable', () => home.updateFile('runs.json', () => ({})));
    expect(readdirSync(home.dir)).toEqual(['runs.json']);
  });

  it('keeps its lists while this process has too many open files', async () => {
    const home = openHome(freshFolder());
    const run = createFolderWith('settings.json');
    await home.rememberRun(run);
    const script = join(import.meta.dirname, 'exhaust-files.ts');
    const result = spawnSync(
      'sh',
      ['-c', 'ulimit -n 40 && exec "$@"', 'sh', process.execPath, script, home.dir],
      {
        encoding: 'utf8',
      },
    );
    // A list cannot be opened; a change cannot even write its lock.
    expect(result.stdout.trim()).toBe('file/unreadable file/unwritable');
    expect(readdirSync(home.dir)).toEqual(['runs.json']);
    expect(await home.listRuns()).toEqual([run]);
  });

  it('that cannot be written keeps nobody from using a checkpoint', async () => {
    const file = join(freshFolder(), 'file');
    writeFileSync(file, '');
    const home = openHome(join(file, 'home'));
    expect(await home.rememberCheckpoint('/x', 'X')).toBe(false);
    expect(await home.rememberRun('/x')).toBe(false);
  });
});
