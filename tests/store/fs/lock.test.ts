import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { readLock, takeLock, tryLock, withLock } from '../../../src-main/store/fs/lock.ts';
import { markOwnProcess } from '../../../src-main/store/fs/process.ts';
import { createRun } from '../../../src-main/store/run/runs.ts';
import { trainingDefaults } from '../../../src-main/train/settings.ts';
import { freshFolder } from '../../support/temporary.ts';
import { startContenders } from '../../torture/processes/contest.ts';

const deadPid = 2 ** 22 + 12_345; // above the largest process id on Linux
let tokens = 0;

afterEach(() => {
  vi.restoreAllMocks();
});

/** The content of a lock of a process, by default of one that died on this machine. */
const lockText = (changes: object = {}): string =>
  JSON.stringify({
    ...markOwnProcess(),
    token: (tokens++).toString(16).padStart(16, '0'),
    pid: deadPid,
    host: 'here',
    note: '',
    ...changes,
  });
const elsewhere = { system: 'ffffffff', machine: null };

/** A path with a lock of this content. */
function createLocked(text: string): string {
  const path = join(freshFolder(), 'lock');
  writeFileSync(path, text);
  return path;
}

describe('a lock of a process that died', () => {
  it.each([
    [2, 12],
    [6, 13],
  ])('is taken by one of %i processes at a time, in %i rounds', async (count, rounds) => {
    const contenders = await startContenders(count);
    try {
      for (let round = 0; round < rounds; round++) {
        const dir = join(freshFolder(), 'run');
        await createRun(dir, { name: 'a', checkpoint: '/c', data: ['/d'], settings: trainingDefaults });
        writeFileSync(
          join(dir, 'lock'),
          round % 2 === 0 ? lockText() : JSON.stringify({ pid: deadPid, born: null }),
        );
        const runs = await contenders.contend({ kind: 'run', dir, stay: 700 });
        expect(runs.map(({ overlapped }) => overlapped)).not.toContain(true);
        expect(runs.filter(({ held }) => held)).toHaveLength(1);
        writeFileSync(join(dir, 'list.lock'), lockText());
        const lists = await contenders.contend({ kind: 'list', dir, stay: 2 });
        expect(lists).toEqual(lists.map(() => ({ held: true, overlapped: false })));
        expect(readdirSync(dir).filter((name) => name.includes('lock'))).toEqual([]);
      }
    } finally {
      contenders.end();
    }
  });

  it('can be taken although others died while they took it over', async () => {
    const path = createLocked(lockText({ token: 'a'.repeat(16) }));
    writeFileSync(`${path}.${'a'.repeat(16)}`, lockText({ token: 'b'.repeat(16) }));
    writeFileSync(`${path}.${'a'.repeat(16)}.${'b'.repeat(16)}`, lockText({ token: 'c'.repeat(16) }));
    writeFileSync(`${path}.${'d'.repeat(16)}`, lockText());
    writeFileSync(`${path}.${'e'.repeat(16)}.new`, lockText());
    const unwritten = `${path}.${'f'.repeat(16)}.new`;
    writeFileSync(unwritten, '');
    utimesSync(unwritten, new Date(), new Date(Date.now() - 120_000));
    const lock = await tryLock(path);
    expect(await lock!.isHeld()).toBe(true);
    expect(readdirSync(join(path, '..'))).toEqual(['lock']);
    await lock!.release();
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });

  it.each([
    ['a lock with the id of a live process that began later', lockText({ pid: process.pid, born: 'boot 1' })],
    ['a former lock of a run', JSON.stringify({ pid: deadPid, born: null })],
    ['a former lock of a download', `${deadPid} ${'c'.repeat(40)}`],
    [
      'a lock of this computer before it was restarted',
      lockText({ ...elsewhere, machine: markOwnProcess().machine ?? 'x' }),
    ],
  ])('is not held: %s', async (title, text) => {
    if (title.includes('restarted') && markOwnProcess().machine === null) return;
    const path = createLocked(text);
    // What its clock said is no sign of life.
    for (const time of [new Date(0), new Date(Date.now() + 1e9)]) {
      utimesSync(path, time, time);
      expect(await readLock(path)).toMatchObject({ verdict: 'dead' });
    }
    await (await tryLock(path))!.release();
    expect(existsSync(path)).toBe(false);
  });
});

describe('a lock of a live process', () => {
  it('is held however old or new its date is', async () => {
    const path = join(freshFolder(), 'lock');
    const lock = (await tryLock(path, { note: 'work' }))!;
    for (const time of [new Date(0), new Date(Date.now() + 1e9)]) {
      utimesSync(path, time, time);
      expect(await readLock(path)).toEqual({ token: expect.any(String), note: 'work', verdict: 'alive' });
      expect(await tryLock(path)).toBeUndefined();
    }
    await lock.release();
    expect(await readLock(path)).toBeUndefined();
  });

  it('is released only by its holder', async () => {
    const path = join(freshFolder(), 'lock');
    const lock = (await tryLock(path))!;
    const other = lockText({ pid: process.ppid });
    writeFileSync(path, other);
    expect(await lock.isHeld()).toBe(false);
    await lock.release();
    expect(readFileSync(path, 'utf8')).toBe(other);
  });

  it('is waited for by withLock, which creates the folder', async () => {
    const path = join(freshFolder(), 'new', 'list');
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setTimeout(resolve, 2));
      inside--;
    };
    await Promise.all(Array.from({ length: 12 }, () => withLock(path, work)));
    expect(most).toBe(1);
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });
});

/** A clock that runs `speed` times as fast. */
function accelerate(speed: number): void {
  const start = performance.now();
  const now = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => start + (now() - start) * speed);
}

describe('a lock of a process on another machine', () => {
  it('is held while its heartbeat changes, whatever its clock says', async () => {
    const path = createLocked(lockText(elsewhere));
    let time = Date.now() + 1e10;
    const timer = setInterval(() => {
      time -= 1000; // a clock that is set back
      utimesSync(path, new Date(time), new Date(time));
    }, 300);
    try {
      expect(await takeLock(path)).toBeUndefined();
    } finally {
      clearInterval(timer);
    }
  });

  it('is taken over after two minutes without a heartbeat, by the clock of the one who watches', async () => {
    const path = createLocked(lockText(elsewhere));
    const future = new Date(Date.now() + 1e10);
    utimesSync(path, future, future);
    expect(await tryLock(path)).toBeUndefined();
    accelerate(25);
    const lock = await takeLock(path);
    expect(await lock!.isHeld()).toBe(true);
    await lock!.release();
  }, 30_000);

  it('that cannot be parsed is taken over after ten seconds', async () => {
    const path = createLocked('');
    expect(await tryLock(path)).toBeUndefined();
    accelerate(25);
    await (await takeLock(path))!.release();
    expect(existsSync(path)).toBe(false);
  });
});

const canUnshare =
  process.platform === 'linux' &&
  spawnSync('unshare', ['--user', '--map-root-user', '--pid', '--fork', '--mount-proc', 'true']).status === 0;

// Containers that share a folder have PID namespaces of their own.
describe.skipIf(!canUnshare)('a lock of a process in another PID namespace', () => {
  it('is held although its process id means nothing here', async () => {
    const dir = freshFolder();
    mkdirSync(join(dir, 'a'));
    const path = join(dir, 'a', 'lock');
    const module = join(import.meta.dirname, '../../../src-main/store/fs/lock.ts');
    const script =
      `import(${JSON.stringify(module)}).then(async ({ takeLock }) => {` +
      `await takeLock(${JSON.stringify(path)}); console.log('held'); setInterval(() => undefined, 1000); });`;
    const child = spawn(
      'unshare',
      [
        '--user',
        '--map-root-user',
        '--pid',
        '--fork',
        '--kill-child',
        '--mount-proc',
        process.execPath,
        '-e',
        script,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    try {
      await once(child.stdout, 'data');
      expect(await readLock(path)).toMatchObject({ verdict: 'unknown' });
      expect(await tryLock(path)).toBeUndefined();
      expect(await takeLock(path)).toBeUndefined();
    } finally {
      child.kill('SIGKILL'); // unshare ignores other signals
    }
  }, 30_000);
});
