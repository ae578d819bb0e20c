import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import {
  recordServer,
  findServer,
  ensureServer,
  stopServer,
} from '../../../src-main/entry/node/background.ts';
import { isProcessAlive } from '../../../src-main/store/fs/process.ts';
import { freshFolder } from '../../support/temporary.ts';
import { root } from '../../support/test-service.ts';

let home: string;
const children: ChildProcess[] = [];
const never = new AbortController().signal;
beforeEach(() => {
  home = freshFolder('home');
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** Starts and records a server that stops listening at SIGTERM and exits `ms` later; returns its pid. */
async function startSavingServer(ms: number): Promise<number> {
  const ws = JSON.stringify(createRequire(import.meta.url).resolve('ws'));
  const script = `
    const { WebSocketServer } = require(${ws});
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' }, () => {
      console.log(server.address().port);
    });
    process.on('SIGTERM', () => {
      server.close();
      setTimeout(() => process.exit(0), ${ms});
    });`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [port] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  recordServer(home, { port: Number(port), token: 'x', version: '0', pid: child.pid! });
  return child.pid!;
}

describe('ensureServer', () => {
  it.skipIf(process.platform === 'win32')(
    'starts one server for several calls at once, even if a lock was left behind',
    async () => {
      const starts = join(home, 'starts');
      const cli = join(root, 'src-main/entry/node/cli.ts');
      process.env['CAMBIUM_HOME'] = home;
      onTestFinished(async () => {
        delete process.env['CAMBIUM_HOME'];
        await stopServer(home, never);
      });
      const unusedPid = 2 ** 22 + 12_345;
      writeFileSync(join(home, 'server.lock'), String(unusedPid));
      const script = `echo >> '${starts}'; exec '${process.execPath}' '${cli}' "$@"`;
      const start = (): ReturnType<typeof ensureServer> => ensureServer(home, ['sh', '-c', script, 'sh']);
      const servers = await Promise.all([start(), start(), start()]);
      expect(new Set(servers.map(({ pid }) => pid)).size).toBe(1);
      expect(readFileSync(starts, 'utf8')).toBe('\n');
      expect(existsSync(join(home, 'server.lock'))).toBe(false);
    },
  );
});

describe('findServer', () => {
  it('finds no server if another program that does not answer has its port', async () => {
    const other = createServer(() => undefined).listen(0, '127.0.0.1');
    onTestFinished(() => {
      other.close();
    });
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    recordServer(home, { port, token: 'x', version: '0', pid: process.pid });
    expect(await findServer(home)).toBeUndefined();
  }, 15_000);
});

describe('stopServer', () => {
  it('waits until the process has exited', async () => {
    const pid = await startSavingServer(700);
    expect(await findServer(home)).toMatchObject({ pid });
    expect(await stopServer(home, never)).toEqual({ pid, ended: true });
    expect(isProcessAlive(pid)).toBe(false);
    expect(await stopServer(home, never)).toBeUndefined();
  });

  it('reports a process that is still saving after the timeout', async () => {
    const pid = await startSavingServer(60_000);
    expect(await stopServer(home, never, 100)).toEqual({ pid, ended: false });
    expect(isProcessAlive(pid)).toBe(true);
  });

  it('stops waiting when its signal aborts', async () => {
    const pid = await startSavingServer(60_000);
    expect(await stopServer(home, AbortSignal.timeout(150))).toEqual({ pid, ended: false });
  });
});
