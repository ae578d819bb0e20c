import { spawn } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import {
  connect as connectSocket,
  createServer as createNetServer,
  Server as NetServer,
  type AddressInfo,
} from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { WebSocket } from 'ws';
import { createWebSocketChannel, type WebSocketLike } from '../../../src-main/base/transports.ts';
import { connect } from '../../../src-main/contract/connect.ts';
import { service as contract, type Service } from '../../../src-main/contract/service.ts';
import { openProvenSocket } from '../../../src-main/entry/handshake.ts';
import { startServer, type Server } from '../../../src-main/entry/node/server.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { getFrom, outcomeOf, type HttpResponse } from './requests.ts';
import {
  errorCodeOf,
  collectAll,
  exampleCheckpoint,
  trainingSettings,
  waitUntil,
  startTestService,
  type TestService,
} from '../../support/test-service.ts';

let app: TestService;
let server: Server;
beforeEach(async () => {
  app = startTestService({ stepMs: 3 });
  const pages = join(app.dir, 'pages');
  mkdirSync(join(pages, 'assets'), { recursive: true });
  writeFileSync(join(pages, 'index.html'), '<title>Cambium</title>');
  writeFileSync(join(pages, 'assets', 'a.js'), '1');
  writeFileSync(join(app.dir, 'secret.js'), 'secret');
  symlinkSync(join(app.dir, 'secret.js'), join(pages, 'link.js'));
  server = await startServer(app.service.api, pages);
});
afterEach(async () => {
  await server.close();
  await app.service.close();
  await app.cleanUp();
});

const get = (path: string, ...rest: Rest): Promise<HttpResponse> => getFrom(server.port, path, ...rest);
type Rest = [headers?: Record<string, string>, method?: string, sent?: string];

/** Connects as another process does that has the token. */
const prove = (token: string, port = server.port, path = '/rpc'): Promise<WebSocket> =>
  openProvenSocket({ port }, token, { timeout: 2000, path });

const openSocket = (protocols: string[], headers: Record<string, string> = {}, path = '/rpc'): WebSocket =>
  new WebSocket(`ws://127.0.0.1:${server.port}${path}`, protocols, { headers });

/** Connects as a page does. */
function connectPage(): { readonly socket: WebSocket; readonly api: Service } {
  const socket = openSocket(['cambium', `cambium.${server.token}`]);
  return { socket, api: connect(contract, createWebSocketChannel(socket as unknown as WebSocketLike)) };
}

describe('startServer', () => {
  it('has a new long token in the fragment of its address', async () => {
    expect(server.address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#token=[0-9a-f]{64}$/);
    const other = await startServer(app.service.api, app.dir);
    expect(other.token).not.toBe(server.token);
    await other.close();
  });

  it('reports which port it cannot use and why', async () => {
    const detailOf = async (port: number): Promise<unknown> => {
      const start = (): Promise<Server> => startServer(app.service.api, app.dir, { port });
      return (await expectAppError('serve/port', start)).detail;
    };
    expect(await detailOf(server.port)).toEqual({ port: server.port, why: 'another program uses it' });
    expect(await detailOf(99_999)).toEqual({ port: 99_999, why: 'the largest port is 65535' });
    const listen = vi.spyOn(NetServer.prototype, 'listen').mockImplementation(function (this: NetServer) {
      queueMicrotask(() => this.emit('error', Object.assign(new Error('listen EACCES'), { code: 'EACCES' })));
      return this;
    });
    onTestFinished(() => {
      listen.mockRestore();
    });
    expect(await detailOf(80)).toEqual({ port: 80, why: 'you do not have permission to use it' });
  });

  it('listens on loopback only', async () => {
    const addresses = Object.values(networkInterfaces()).flat();
    const outside = addresses.find((n) => n && n.family === 'IPv4' && !n.internal)?.address;
    if (outside === undefined) return;
    const socket = connectSocket(server.port, outside);
    const outcome = await Promise.race([
      once(socket, 'connect').then(() => 'connected'),
      once(socket, 'error').then(() => 'refused'),
    ]).catch(() => 'refused');
    expect(outcome).toBe('refused');
    socket.destroy();
  });
});

describe('a one-time address', () => {
  const redeem = async (code: string, headers: Record<string, string> = {}): Promise<HttpResponse> =>
    get(
      '/token',
      { origin: `http://127.0.0.1:${server.port}`, host: `127.0.0.1:${server.port}`, ...headers },
      'POST',
      code,
    );
  const createCode = (): string => new URL(server.createOneTimeAddress()).hash.slice('#code='.length);

  it('gives its page the token once', async () => {
    const code = createCode();
    expect(JSON.parse((await redeem(code)).body)).toEqual({ token: server.token });
    expect(await redeem(code)).toMatchObject({ status: 401, body: '' });
  });

  it('is of no use for another page, another host, a program, or another user', async () => {
    const code = createCode();
    for (const headers of [{ origin: 'http://evil.example' }, { origin: 'null' }, { host: 'evil.example' }])
      expect(await redeem(code, headers)).toMatchObject({
        status: 403,
        body: expect.not.stringContaining('token') as string,
      });
    expect((await get('/token', {}, 'POST', code)).status).toBe(403);
    expect((await redeem('0'.repeat(64))).status).toBe(401);
    expect((await redeem('0'.repeat(100_000))).status).toBe(401);
    if (process.platform === 'linux' && process.getuid?.() === 0)
      expect(['403', 'closed']).toContain(await redeemAsUser(65_534, server.port, code));
    expect((await redeem(code)).status).toBe(200);
  });
});

/** Exchanges a code in a process of another user; returns the status, or `closed` if the server ends the connection. */
async function redeemAsUser(uid: number, port: number, code: string): Promise<string> {
  const script = `
    const origin = 'http://127.0.0.1:${port}';
    fetch(origin + '/token', { method: 'POST', body: '${code}', headers: { origin } })
      .then(({ status }) => console.log(String(status)), () => console.log('closed'));`;
  const child = spawn(process.execPath, ['-e', script], {
    uid,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [text] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  return text.trim();
}

describe('a process with the token', () => {
  it('connects without sending the token', async () => {
    const sent: string[] = [];
    const relay = createNetServer((client) => {
      const target = connectSocket(server.port, '127.0.0.1').on('error', () => undefined);
      client.on('error', () => undefined).on('data', (bytes) => sent.push(String(bytes)));
      client.pipe(target).pipe(client);
    }).listen(0, '127.0.0.1');
    onTestFinished(() => {
      relay.close();
    });
    await once(relay, 'listening');
    const socket = await prove(server.token, (relay.address() as AddressInfo).port);
    const api = connect(contract, createWebSocketChannel(socket as unknown as WebSocketLike));
    expect(await api.about({})).toMatchObject({ version: '0.0.0' });
    expect(sent.join('')).toContain('cambium-proof.');
    expect(sent.join('')).not.toContain(server.token);
    socket.terminate();
    // What was sent opens no other connection.
    const [, replayed] = /sec-websocket-protocol: ([^\r]+)/i.exec(sent.join(''))!;
    expect(await outcomeOf(openSocket(replayed!.split(',').map((name) => name.trim())))).toBe('401');
  });

  it('does not take another program, or a server with another token, for its server', async () => {
    await expect(prove('0'.repeat(64))).rejects.toThrow('is not the server of this token');
    const requests: string[] = [];
    const other = createNetServer((socket) => {
      socket
        .on('error', () => undefined)
        .on('data', (bytes) => {
          requests.push(String(bytes));
          const body = JSON.stringify({ challenge: 'a.b.c', proof: '0'.repeat(64) });
          socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        });
    }).listen(0, '127.0.0.1');
    onTestFinished(() => {
      other.close();
    });
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await expect(prove(server.token, port)).rejects.toThrow('is not the server of this token');
    expect(requests.join('')).not.toContain(server.token);
  });

  it('can replace the token, which disconnects every page', async () => {
    const page = connectPage();
    await page.api.about({});
    const before = server.token;
    const code = new URL(server.createOneTimeAddress()).hash.slice('#code='.length);
    const socket = await prove(before, server.port, '/revoke');
    await once(socket, 'close');
    expect(await errorCodeOf(page.api.about({}))).toBe('rpc/closed');
    expect(server.token).not.toBe(before);
    expect(await outcomeOf(openSocket(['cambium', `cambium.${before}`]))).toBe('401');
    const origin = `http://127.0.0.1:${server.port}`;
    const host = `127.0.0.1:${server.port}`;
    expect(await get('/token', { origin, host }, 'POST', code)).toMatchObject({ status: 401 });
    (await prove(server.token)).terminate();
  });
});

describe('a request', () => {
  it.each(['/', '/index.html', '/?x=1'])('for %s gets the page with strict headers', async (path) => {
    const { status, headers, body } = await get(path);
    expect([status, body]).toEqual([200, '<title>Cambium</title>']);
    expect(headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cache-control': 'no-store',
    });
    expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'");
  });

  it('gets the type of its file, and only GET and HEAD are allowed', async () => {
    const script = await get('/assets/a.js');
    expect(script.headers['content-type']).toBe('text/javascript; charset=utf-8');
    expect(await get('/', {}, 'HEAD')).toMatchObject({ status: 200, body: '' });
    expect(await get('/', {}, 'POST')).toMatchObject({ status: 405 });
  });

  it.each([
    '/../secret.js',
    '/..%2fsecret.js',
    '/%2e%2e/secret.js',
    '/assets/../../secret.js',
    '/..\\secret.js',
    '/link.js',
    '/%00',
    '/%',
    '/assets',
    '/absent.js',
    '//etc/passwd',
    '/rpc',
  ])('for %s is not found', async (path) => {
    const { status, body } = await get(path);
    expect(status).toBe(404);
    expect(body).not.toContain('secret');
  });

  it('must name a loopback host', async () => {
    const { port } = server;
    const foreign = ['evil.example', 'evil.example:80', '127.0.0.1.evil.example', 'localhost.evil.example'];
    for (const host of foreign) expect((await get('/', { host })).status).toBe(403);
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`])
      expect((await get('/', { host })).status).toBe(200);
  });
});

describe('a connection', () => {
  it('needs the token, and a page from this server', async () => {
    const { port, token } = server;
    const protocols = ['cambium', `cambium.${token}`];
    const ownOrigin = `http://127.0.0.1:${port}`;
    const outcome = (...args: Parameters<typeof openSocket>): Promise<string> =>
      outcomeOf(openSocket(...args));
    expect(await outcome(protocols)).toBe('open cambium');
    expect(await outcome(protocols, { origin: ownOrigin })).toBe('open cambium');
    expect(await outcome(['cambium'])).toBe('401');
    expect(await outcome([])).toBe('401');
    expect(await outcome(['cambium', `cambium.${token.slice(1)}0`])).toBe('401');
    expect(await outcome(['cambium', 'cambium.x'])).toBe('401');
    expect(await outcome(protocols, { origin: 'http://evil.example' })).toBe('403');
    expect(await outcome(protocols, { origin: 'null' })).toBe('403');
    expect(await outcome(protocols, { host: 'evil.example' })).toBe('403');
    expect(await outcome(protocols, {}, '/other')).toBe('404');
    await waitUntil(() => server.connections() === 0);
  });

  it('does not take the token from the address', async () => {
    expect(await outcomeOf(openSocket(['cambium'], {}, `/rpc?token=${server.token}`))).toBe('401');
  });

  it('that is refused is closed, also if the other end keeps it open', async () => {
    const upgrade = ['GET /rpc HTTP/1.1', 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket'];
    const sockets = Array.from({ length: 50 }, () =>
      connectSocket({ port: server.port, host: '127.0.0.1', allowHalfOpen: true }).on(
        'error',
        () => undefined,
      ),
    );
    for (const socket of sockets) socket.resume().write(`${upgrade.join('\r\n')}\r\n\r\n`);
    const closed = sockets.map((socket) => once(socket, 'end'));
    await Promise.all(closed);
    await waitUntil(async () => (await server.countConnections()) === 0);
  });

  it('without the token gives way to newer ones, and never to one with the token', async () => {
    const page = connectPage();
    await page.api.about({});
    const idle = Array.from({ length: 400 }, () =>
      connectSocket(server.port, '127.0.0.1').on('error', () => undefined),
    );
    await waitUntil(() => idle.filter((socket) => socket.closed).length > 100);
    expect(await server.countConnections()).toBeLessThan(300);
    expect(await page.api.about({})).toMatchObject({ version: '0.0.0' });
    expect((await get('/')).status).toBe(200);
    for (const socket of idle) socket.destroy();
    page.socket.terminate();
  });

  it('that is refused and reset early does not stop the server', async () => {
    const thrown: unknown[] = [];
    const onUncaught = (error: unknown): void => {
      thrown.push(error);
    };
    process.on('uncaughtException', onUncaught);
    onTestFinished(() => {
      process.off('uncaughtException', onUncaught);
    });
    const upgrade = ['GET /rpc HTTP/1.1', 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket'];
    for (let i = 0; i < 20; i++) {
      const socket = connectSocket(server.port, '127.0.0.1').on('error', () => undefined);
      await once(socket, 'connect');
      socket.write(`${upgrade.join('\r\n')}\r\n\r\n`, () => {
        socket.resetAndDestroy();
      });
      await once(socket, 'close');
    }
    expect((await get('/')).status).toBe(200);
    expect(thrown).toEqual([]);
  });

  it('serves the contract: checked inputs, typed errors, closing', async () => {
    const { api, socket } = connectPage();
    expect(await api.about({})).toMatchObject({ version: '0.0.0' });
    expect(await errorCodeOf(api.openCheckpoint({ dir: '' }))).toBe('rpc/bad-input');
    const absent = api.openCheckpoint({ dir: join(app.dir, 'absent') });
    expect(await errorCodeOf(absent)).toBe('file/not-found');
    expect(await api.openCheckpoint({ dir: exampleCheckpoint })).toMatchObject({ family: 'llama' });
    socket.terminate();
    expect(await errorCodeOf(api.about({}))).toBe('rpc/closed');
  });

  it('can end without stopping a run; a later page gets all events', async () => {
    const first = connectPage();
    const run = await first.api.startRun({
      checkpoint: exampleCheckpoint,
      data: [app.textFile],
      out: join(app.dir, 'run'),
      settings: trainingSettings({ tokens: 300 }),
    });
    for await (const event of first.api.followRun({ id: run.id, from: 0 })) if (event.type === 'step') break;
    first.socket.terminate();
    await waitUntil(() => server.connections() === 0);
    const events = await collectAll(connectPage().api.followRun({ id: run.id, from: 0 }));
    expect(events.filter((e) => e.type === 'step')).toHaveLength(30);
    expect(events.at(-1)).toMatchObject({ type: 'stopped', reason: 'finished' });
  });

  it.each([
    ['is too large', 'x'.repeat((16 << 20) + 1)],
    ['is not JSON', '{not json'],
  ])('is closed after a message that %s', async (_, text) => {
    const { socket } = connectPage();
    await once(socket, 'open');
    socket.send(text);
    await once(socket, 'close');
    expect((await get('/')).status).toBe(200);
  });

  it('ignores messages that are not part of the protocol', async () => {
    const { socket, api } = connectPage();
    await once(socket, 'open');
    for (const message of [
      null,
      1,
      [],
      {},
      { type: 'request' },
      { type: 'cancel', id: 99 },
      { type: 'response', id: 1, value: 1 },
      { type: 'request', id: 7, name: '__proto__', input: {} },
    ])
      socket.send(JSON.stringify(message));
    expect(await api.about({})).toMatchObject({ version: '0.0.0' });
    socket.terminate();
  });
});
