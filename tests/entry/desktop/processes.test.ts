import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { fake } from './fake-electron.ts';

vi.mock('electron', async () => (await import('./fake-electron.ts')).electron);
import { createUtilityProcesses, parseExitCode } from '../../../src-main/entry/desktop/processes.ts';
import { connect } from '../../../src-main/contract/connect.ts';
import { engine } from '../../../src-main/contract/engine.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';

beforeEach(() => {
  fake.processes.length = 0;
});

describe('createUtilityProcesses', () => {
  it('starts an engine with a channel, a log and an exit', async () => {
    const log = join(freshFolder(), 'log.txt');
    const process = await createUtilityProcesses('/engine.js').spawn({ log });
    const child = fake.processes[0]!;
    expect(child.script).toBe('/engine.js');
    const call = connect(engine, process).devices({});
    expect(child.posted[0]).toMatchObject({ type: 'request', name: 'devices' });
    child.emit('message', { type: 'response', id: 1, value: [] });
    expect(await call).toEqual([]);
    child.stderr.emit('data', Buffer.from('a line\n'));
    const pending = connect(engine, process).devices({});
    child.emit('exit', 3);
    await expect(pending).rejects.toMatchObject({ code: 'rpc/closed' });
    expect(await process.exited).toEqual({ code: 3, signal: null, lines: 'a line\n' });
    expect(readFileSync(log, 'utf8')).toBe('a line\n');
  });

  it('kills an engine that hangs, and reports the signal', async () => {
    const { kill, exited } = await createUtilityProcesses('/engine.js').spawn({});
    const child = fake.processes[0]!;
    const killProcess = vi.spyOn(process, 'kill').mockImplementation((pid, signal) => {
      if (pid === child.pid && signal === 'SIGKILL') child.emit('exit', 9);
      return true;
    });
    onTestFinished(() => {
      killProcess.mockRestore();
    });
    kill();
    const isWindows = process.platform === 'win32';
    const expected = isWindows ? { code: 9, signal: null } : { code: null, signal: 'SIGKILL' };
    expect(await exited).toEqual({ ...expected, lines: '' });
    // Killing it again does nothing.
    killProcess.mockImplementation(() => {
      throw Object.assign(new Error('kill ESRCH'), { code: 'ESRCH' });
    });
    kill();
  });

  it('ignores a log that cannot be written', async () => {
    const process = await createUtilityProcesses('/engine.js').spawn({ log: freePath('log.txt') });
    const child = fake.processes[0]!;
    child.stderr.emit('data', Buffer.from('its last words\n'));
    child.emit('exit', 1);
    expect(await process.exited).toEqual({ code: 1, signal: null, lines: 'its last words\n' });
  });
});

describe('parseExitCode', () => {
  it.each([
    [9, 'SIGKILL'],
    [137, 'SIGKILL'],
    [6, 'SIGABRT'],
    [134, 'SIGABRT'],
    [139, 'SIGSEGV'],
    [0, null],
    [1, null],
    [3, null],
  ] as const)('reads %d as %s', (code, signal) => {
    expect(parseExitCode(code, 'linux')).toEqual({ code: signal === null ? code : null, signal });
    expect(parseExitCode(code, 'win32')).toEqual({ code, signal: null });
  });
});
