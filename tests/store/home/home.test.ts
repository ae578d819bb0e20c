import { mkdirSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openHome, resolveHomeDir } from '../../../src-main/store/home/home.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';

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

  it('lists remembered runs that exist, and finds free folders for new ones', async () => {
    const home = openHome(freePath('home'));
    const run = createFolderWith('settings.json');
    await home.rememberRun(run);
    await home.rememberRun(freePath('gone'));
    expect(await home.listRuns()).toEqual([run]);
    const dir = await home.getFreeRunDir('My Run: Ünique!/..');
    expect(dir).toBe(join(home.dir, 'runs', 'my-run-nique'));
    mkdirSync(dir, { recursive: true });
    expect(await home.getFreeRunDir('my run nique')).toBe(`${dir}-2`);
    expect(await home.getFreeRunDir('…')).toBe(join(home.dir, 'runs', 'run'));
    expect(readdirSync(await home.createCacheDir('tokens'))).toEqual([]);
  });

  it('loses no update of processes that write at the same time, or after one died with the lock', async () => {
    const dir = freePath('home');
    const homes = Array.from({ length: 4 }, () => openHome(dir));
    const runs = Array.from({ length: 24 }, () => createFolderWith('settings.json'));
    await Promise.all(runs.map((run, i) => homes[i % 4]!.rememberRun(run)));
    expect(new Set(await homes[0]!.listRuns())).toEqual(new Set(runs));
    expect(readdirSync(dir)).toEqual(['runs.json']);
    const lock = join(dir, 'runs.json.lock');
    const old = new Date(Date.now() - 60_000);
    writeFileSync(lock, '');
    utimesSync(lock, old, old);
    const late = createFolderWith('settings.json');
    await homes[1]!.rememberRun(late);
    expect((await homes[2]!.listRuns())[0]).toBe(late);
  });

  it('renames a damaged list and starts a new one', async () => {
    const home = openHome(freshFolder());
    const a = createFolderWith('config.json');
    for (const damage of ['{', '{}', '"x"']) {
      writeFileSync(join(home.dir, 'checkpoints.json'), damage);
      await home.rememberCheckpoint(a, 'A');
      expect((await home.listCheckpoints()).map((item) => item.dir)).toEqual([a]);
    }
    const aside = readdirSync(home.dir).filter((name) => name.includes('damaged'));
    expect(aside.length).toBeGreaterThan(0);
    expect(['{', '{}', '"x"']).toContain(readFileSync(join(home.dir, aside[0]!), 'utf8'));
    writeFileSync(
      join(home.dir, 'checkpoints.json'),
      JSON.stringify([null, 3, { dir: 1 }, { dir: a, name: 'A', opened: '' }]),
    );
    expect((await home.listCheckpoints()).map((item) => item.dir)).toEqual([a]);
  });
});
