import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { getProcessStart, isProcessAlive, isSameProcessAlive } from '../../../src-main/store/fs/process.ts';

const platform = process.platform;
afterEach(() => {
  Object.defineProperty(process, 'platform', { value: platform });
  vi.restoreAllMocks();
});

describe.runIf(platform === 'linux')('isSameProcessAlive on Linux', () => {
  it('compares start times: neither a reused process id nor a clock that jumps misleads it', async () => {
    const child = spawn('sleep', ['60']);
    const pid = child.pid!;
    const born = getProcessStart(pid);
    const isAlive = (start: string | null, time = Date.now()): boolean =>
      isSameProcessAlive({ pid, born: start }, { key: 'a', time });
    expect(born).toMatch(/^[\da-f-]{36} \d+$/);
    expect(born).not.toBe(getProcessStart(process.pid));
    for (const time of [0, Date.now() + 1e9, 1e15]) expect(isAlive(born, time)).toBe(true);
    expect(isAlive(getProcessStart(process.pid))).toBe(false);
    expect(isAlive(`${born!.split(' ')[0]!} 1`)).toBe(false);
    child.kill();
    await once(child, 'exit');
    expect(isAlive(born)).toBe(false);
    expect(getProcessStart(pid)).toBe(null);
  });

  it('counts a zombie as dead', async () => {
    const parent = spawn('sh', ['-c', 'sleep 0.2 & echo $!; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [output] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string];
    const pid = Number(output);
    expect(isProcessAlive(pid)).toBe(true);
    const mark = { pid, born: getProcessStart(pid) };
    await vi.waitFor(() => {
      expect(isProcessAlive(pid)).toBe(false);
    }, 5000);
    expect(isSameProcessAlive(mark, { key: 'c', time: Date.now() })).toBe(false);
    parent.kill();
  });
});

describe('isSameProcessAlive on other systems', () => {
  it('counts a process as alive while its heartbeat changes, by a clock that stops during sleep', () => {
    Object.defineProperty(process, 'platform', { value: 'darwin' });
    let now = 1000;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    const mark = { pid: process.pid, born: getProcessStart(process.pid) };
    const old = Date.now() - 20_000;
    const isAlive = (time: number): boolean => isSameProcessAlive(mark, { key: 'b', time });
    expect(mark.born).toBe(null);
    expect(isAlive(old)).toBe(true);
    now += 9 * 60_000;
    expect(isAlive(old)).toBe(true);
    now += 2 * 60_000;
    expect(isAlive(old)).toBe(false); // 11 minutes without a new heartbeat
    expect(isAlive(old + 5000)).toBe(true);
  });

  it('counts a process whose last heartbeat is older than the boot as dead', () => {
    Object.defineProperty(process, 'platform', { value: 'darwin' });
    const mark = { pid: process.pid, born: null };
    expect(isSameProcessAlive(mark, { key: 'c', time: 1_000_000 })).toBe(false);
  });
});
