import {
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { browse } from '../../../src-main/store/fs/browse.ts';
import { homeDir, openHome } from '../../../src-main/store/home/home.ts';
import { refusal } from '../../support/refusal.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';

const folderWith = (file: string): string => {
  const dir = freshFolder();
  writeFileSync(join(dir, file), '{}');
  return dir;
};

describe('home', () => {
  it('is where the platform keeps such things, or where CAMBIUM_HOME says', () => {
    expect(homeDir({ CAMBIUM_HOME: '/x/y' }, 'linux', '/home/a')).toBe(resolve('/x/y'));
    expect(homeDir({ XDG_DATA_HOME: '/data' }, 'linux', '/home/a')).toBe(join('/data', 'cambium'));
    expect(homeDir({}, 'linux', '/home/a')).toBe(join('/home/a', '.local', 'share', 'cambium'));
    expect(homeDir({}, 'darwin', '/Users/a')).toBe(
      join('/Users/a', 'Library', 'Application Support', 'Cambium'),
    );
    expect(homeDir({ APPDATA: '/roaming' }, 'win32', '/Users/a')).toBe(join('/roaming', 'Cambium'));
  });

  it('remembers checkpoints, newest first, each once, while they exist', async () => {
    const home = openHome(freePath('home'));
    const a = folderWith('config.json');
    const b = folderWith('config.json');
    expect(await home.checkpoints()).toEqual([]);
    await Promise.all([
      home.rememberCheckpoint(a, 'A'),
      home.rememberCheckpoint(b, 'B'),
      home.rememberCheckpoint(a, 'A2'),
    ]);
    expect((await home.checkpoints()).map((item) => [item.dir, item.name])).toEqual([
      [a, 'A2'],
      [b, 'B'],
    ]);
    rmSync(join(b, 'config.json'));
    expect((await openHome(home.dir).checkpoints()).map((item) => item.dir)).toEqual([a]);
    await home.forgetCheckpoint(a);
    expect(await home.checkpoints()).toEqual([]);
  });

  it('remembers runs wherever they lie, and finds free places for new ones', async () => {
    const home = openHome(freePath('home'));
    const run = folderWith('settings.json');
    await home.rememberRun(run);
    await home.rememberRun(freePath('gone'));
    expect(await home.runs()).toEqual([run]);
    const dir = await home.newRunDir('My Run: Ünique!/..');
    expect(dir).toBe(join(home.dir, 'runs', 'my-run-nique'));
    mkdirSync(dir, { recursive: true });
    expect(await home.newRunDir('my run nique')).toBe(`${dir}-2`);
    expect(await home.newRunDir('…')).toBe(join(home.dir, 'runs', 'run'));
    expect(readdirSync(await home.cache('tokens'))).toEqual([]);
  });

  it('loses nothing to other processes that remember at the same time, nor to one that died at it', async () => {
    const dir = freePath('home');
    const homes = Array.from({ length: 4 }, () => openHome(dir));
    const runs = Array.from({ length: 24 }, () => folderWith('settings.json'));
    await Promise.all(runs.map((run, i) => homes[i % 4]!.rememberRun(run)));
    expect(new Set(await homes[0]!.runs())).toEqual(new Set(runs));
    expect(readdirSync(dir)).toEqual(['runs.json']);
    const lock = join(dir, 'runs.json.lock');
    const old = new Date(Date.now() - 60_000);
    writeFileSync(lock, '');
    utimesSync(lock, old, old);
    const late = folderWith('settings.json');
    await homes[1]!.rememberRun(late);
    expect((await homes[2]!.runs())[0]).toBe(late);
  });

  it('sets a damaged list aside and goes on', async () => {
    const home = openHome(freshFolder());
    const a = folderWith('config.json');
    for (const damage of ['{', '{}', '"x"']) {
      writeFileSync(join(home.dir, 'checkpoints.json'), damage);
      await home.rememberCheckpoint(a, 'A');
      expect((await home.checkpoints()).map((item) => item.dir)).toEqual([a]);
    }
    const aside = readdirSync(home.dir).filter((name) => name.includes('damaged'));
    expect(aside.length).toBeGreaterThan(0);
    expect(['{', '{}', '"x"']).toContain(readFileSync(join(home.dir, aside[0]!), 'utf8'));
    writeFileSync(
      join(home.dir, 'checkpoints.json'),
      JSON.stringify([null, 3, { dir: 1 }, { dir: a, name: 'A', opened: '' }]),
    );
    expect((await home.checkpoints()).map((item) => item.dir)).toEqual([a]);
  });
});

describe('browse', () => {
  it('shows folders first and marks checkpoints; hidden files and broken links are left out', async () => {
    const dir = freshFolder();
    for (const name of ['b10', 'b9', 'a']) mkdirSync(join(dir, name));
    mkdirSync(join(dir, '.hidden'));
    writeFileSync(join(dir, 'b9', 'config.json'), '{}');
    writeFileSync(join(dir, 'A.txt'), '12345');
    symlinkSync(join(dir, 'nowhere'), join(dir, 'broken'));
    const { path, parent, entries } = await browse(dir);
    expect([path, parent]).toEqual([dir, join(dir, '..')]);
    expect(entries.map((e) => [e.name, e.folder, e.bytes, e.checkpoint])).toEqual([
      ['a', true, 0, false],
      ['b9', true, 0, true],
      ['b10', true, 0, false],
      ['A.txt', false, 5, false],
    ]);
    expect(entries[1]!.path).toBe(join(dir, 'b9'));
    expect((await browse('/')).parent).toBe(null);
    await refusal('file/not-a-folder', () => browse(join(dir, 'A.txt')));
    await refusal('file/not-found', () => browse(join(dir, 'none')));
  });
});
