import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
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
  const module = JSON.stringify(join(root, 'src-main/entry/node/server.ts'));
  const script = `
    import { startServer } from ${module};
    const { port, token, close } = await startServer({}, '/nowhere');
    console.log(JSON.stringify({ port, token }));
    process.on('SIGTERM', () => {
      void close();
      setTimeout(() => process.exit(0), ${ms});
    });`;
  const flags = ['--disable-warning=ExperimentalWarning', '--input-type=module-typescript'];
  const child = spawn(process.execPath, [...flags, '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  const { port, token } = JSON.parse(line) as { port: number; token: string };
  await recordServer(home, { port, token, version: '0', pid: child.pid! });
  return child.pid!;
}

/** Accepts every WebSocket and answers every request, and keeps what it is sent. */
function createWebSocketServer(received: string[]): Server {
  const accepts = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Protocol: cambium',
  ];
  return createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      const text = String(bytes);
      received.push(text);
      const key = /sec-websocket-key: (\S+)/i.exec(text)?.[1];
      if (key === undefined) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}');
      else {
        const accept = createHash('sha1')
          .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
          .digest('base64');
        socket.write(`${[...accepts, `Sec-WebSocket-Accept: ${accept}`].join('\r\n')}\r\n\r\n`);
      }
    });
  }).listen(0, '127.0.0.1');
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
  it('does not give the token to a program that took the port of a server that has ended', async () => {
    const received: string[] = [];
    const other = createWebSocketServer(received);
    onTestFinished(() => {
      other.close();
    });
    await once(other, 'listening');
    const token = 'f'.repeat(64);
    const { port } = other.address() as AddressInfo;
    await recordServer(home, { port, token, version: '0', pid: process.pid });
    expect(await findServer(home)).toBeUndefined();
    expect(received.length).toBeGreaterThan(0);
    expect(received.join('\n')).not.toContain(token);
  });

  it('ignores a record of another user, and a damaged one', async () => {
    const { pid } = process;
    await recordServer(home, { port: 1, token: 'f'.repeat(64), version: '0', pid });
    const path = join(home, 'server.json');
    for (const text of [
      '',
      '{',
      'null',
      '{"port":"1"}',
      '{"port":70000,"token":"x","version":"0","pid":1}',
    ]) {
      writeFileSync(path, text);
      expect(await findServer(home)).toBeUndefined();
    }
  });

  it('finds no server if another program that does not answer has its port', async () => {
    const other = createServer(() => undefined).listen(0, '127.0.0.1');
    onTestFinished(() => {
      other.close();
    });
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await recordServer(home, { port, token: 'f'.repeat(64), version: '0', pid: process.pid });
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
