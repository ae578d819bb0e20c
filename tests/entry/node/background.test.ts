/**
 * @file The server that runs in the background: found by its record, started once, ended when what trains is
 * saved.
 */
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
const alive: ChildProcess[] = [];
const never = new AbortController().signal;
beforeEach(() => {
  home = freshFolder('home');
});
afterEach(() => {
  for (const child of alive.splice(0)) child.kill('SIGKILL');
});

/**
 * A process with a recorded server that closes it as soon as it is asked to end, and goes on saving for so
 * long.
 */
async function serverSaving(ms: number): Promise<number> {
  const child = spawn(
    process.execPath,
    [
      '-e',
      `const { WebSocketServer } = require(${JSON.stringify(createRequire(import.meta.url).resolve('ws'))});
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' }, () => { console.log(server.address().port); });
    process.on('SIGTERM', () => { server.close(); setTimeout(() => { process.exit(0); }, ${ms}); });`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  alive.push(child);
  const [port] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  recordServer(home, { port: Number(port), token: 'x', version: '0', pid: child.pid! });
  return child.pid!;
}

describe('a server in the background', () => {
  it.skipIf(process.platform === 'win32')(
    'is started once, however many ask at once, also after one who was killed while starting it',
    async () => {
      const starts = join(home, 'starts');
      const cli = join(root, 'src-main/entry/node/cli.ts');
      process.env['CAMBIUM_HOME'] = home;
      onTestFinished(async () => {
        delete process.env['CAMBIUM_HOME'];
        await stopServer(home, never);
      });
      writeFileSync(join(home, 'server.lock'), String(2 ** 22 + 12_345));
      const asked = await Promise.all(
        [1, 2, 3].map(() =>
          ensureServer(home, [
            'sh',
            '-c',
            `echo >> '${starts}'; exec '${process.execPath}' '${cli}' "$@"`,
            'sh',
          ]),
        ),
      );
      expect(new Set(asked.map(({ pid }) => pid)).size).toBe(1);
      expect([readFileSync(starts, 'utf8'), existsSync(join(home, 'server.lock'))]).toEqual(['\n', false]);
    },
  );

  it('is not there when its port belongs to a program that says nothing', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    onTestFinished(() => {
      silent.close();
    });
    await once(silent, 'listening');
    recordServer(home, {
      port: (silent.address() as AddressInfo).port,
      token: 'x',
      version: '0',
      pid: process.pid,
    });
    expect(await findServer(home)).toBeUndefined();
  }, 15_000);

  it('has ended when its process has, not when it no longer answers', async () => {
    const pid = await serverSaving(700);
    expect(await findServer(home)).toMatchObject({ pid });
    expect(await stopServer(home, never)).toEqual({ pid, ended: true });
    expect(isProcessAlive(pid)).toBe(false);
    expect(await stopServer(home, never)).toBeUndefined();
  });

  it('that saves for longer than anybody waits has not ended, and is said so', async () => {
    const pid = await serverSaving(60_000);
    const other = AbortSignal.timeout(150);
    expect(await stopServer(home, never, 100)).toEqual({ pid, ended: false });
    expect(isProcessAlive(pid)).toBe(true);
    home = freshFolder('home');
    const again = await serverSaving(60_000);
    expect(await stopServer(home, other)).toEqual({ pid: again, ended: false });
  });
});
