/**
 * @file Living processes are told from dead ones and from others that have their number by now, with and
 * without the system's help.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { isAlive } from '../../../src-main/store/fs/files.ts';
import { bornOf, lives } from '../../../src-main/store/fs/process-life.ts';

const platform = process.platform;
afterEach(() => {
  Object.defineProperty(process, 'platform', { value: platform });
  vi.restoreAllMocks();
});

describe.runIf(platform === 'linux')('where the system tells when a process began', () => {
  it('a number that another process has is no sign of life; a clock that jumps is no sign of death', async () => {
    const child = spawn('sleep', ['60']);
    const pid = child.pid!;
    const born = bornOf(pid);
    expect(born).toMatch(/^[\da-f-]{36} \d+$/);
    expect(born).not.toBe(bornOf(process.pid));
    for (const beats of [0, Date.now() + 1e9, 1e15])
      expect(lives({ pid, born }, { of: 'a', beats })).toBe(true);
    expect(lives({ pid, born: bornOf(process.pid) }, { of: 'a', beats: Date.now() })).toBe(false);
    expect(lives({ pid, born: `${born!.split(' ')[0]!} 1` }, { of: 'a', beats: Date.now() })).toBe(false);
    child.kill();
    await once(child, 'exit');
    expect(lives({ pid, born }, { of: 'a', beats: Date.now() })).toBe(false);
    expect(bornOf(pid)).toBe(null);
  });

  it('one that has ended and that its parent never asks after is dead', async () => {
    const parent = spawn('sh', ['-c', 'sleep 0.2 & echo $!; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const pid = Number(((await once(parent.stdout.setEncoding('utf8'), 'data')) as [string])[0]);
    expect(isAlive(pid)).toBe(true);
    const mark = { pid, born: bornOf(pid) };
    await vi.waitFor(() => {
      expect(isAlive(pid)).toBe(false);
    }, 5000);
    expect(lives(mark, { of: 'c', beats: Date.now() })).toBe(false);
    parent.kill();
  });
});

describe('where it does not', () => {
  it('a process lives while its beats change before our eyes, by a clock that a sleep does not move', () => {
    Object.defineProperty(process, 'platform', { value: 'darwin' });
    let now = 1000;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    const mark = { pid: process.pid, born: bornOf(process.pid) };
    const old = Date.now() - 20_000;
    const alive = (beats: number): boolean => lives(mark, { of: 'b', beats });
    expect(mark.born).toBe(null);
    expect(alive(old)).toBe(true);
    now += 9 * 60_000;
    expect(alive(old)).toBe(true);
    now += 2 * 60_000;
    expect(alive(old)).toBe(false); // watched for long, and not one beat
    expect(alive(old + 5000)).toBe(true);
  });
  it('a mark from before the computer began is no sign of life', () => {
    Object.defineProperty(process, 'platform', { value: 'darwin' });
    expect(lives({ pid: process.pid, born: null }, { of: 'c', beats: 1_000_000 })).toBe(false);
  });
});
