import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { request as ask } from 'node:http';
import { connect as dial, Server as Listener } from 'node:net';
import { join } from 'node:path';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { WebSocket } from 'ws';
import { createWebSocketChannel, type WebSocketLike } from '../../../src-main/base/transports.ts';
import { connect } from '../../../src-main/contract/connect.ts';
import { service as contract } from '../../../src-main/contract/service.ts';
import { startServer, whyRefused, type Server } from '../../../src-main/entry/node/server.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import {
  errorCodeOf,
  collectAll,
  exampleCheckpoint,
  trainingSettings,
  waitUntil,
  startTestService,
  type TestService,
} from '../../support/test-service.ts';

let place: TestService;
let server: Server;
beforeEach(async () => {
  place = startTestService({ stepMs: 3 });
  const pages = join(place.dir, 'pages');
  mkdirSync(join(pages, 'assets'), { recursive: true });
  writeFileSync(join(pages, 'index.html'), '<title>Cambium</title>');
  writeFileSync(join(pages, 'assets', 'a.js'), '1');
  writeFileSync(join(place.dir, 'secret.js'), 'secret');
  symlinkSync(join(place.dir, 'secret.js'), join(pages, 'link.js'));
  server = await startServer(place.service.api, pages);
});
afterEach(async () => {
  await server.close();
  await place.service.close();
  await place.cleanUp();
});

const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  new Promise<{ status: number; headers: Record<string, unknown>; body: string }>((resolve, reject) => {
    const req = ask({ host: '127.0.0.1', port: server.port, path, method, headers }, (response) => {
      let body = '';
      response
        .setEncoding('utf8')
        .on('data', (text: string) => {
          body += text;
        })
        .on('end', () => {
          resolve({ status: response.statusCode!, headers: response.headers, body });
        });
    });
    req.on('error', reject).end();
  });
const open = (protocols: string[], headers: Record<string, string> = {}, path = '/rpc') =>
  new WebSocket(`ws://127.0.0.1:${server.port}${path}`, protocols, { headers });
/** 'open', or the status of the refusal. */
const outcome = (socket: WebSocket) =>
  new Promise<string>((resolve) => {
    socket.on('open', () => {
      resolve(`open ${socket.protocol}`);
      socket.terminate();
    });
    socket.on('unexpected-response', (_, response) => {
      resolve(String(response.statusCode));
    });
    socket.on('error', () => undefined);
  });
const joined = () => {
  const socket = open(['cambium', `cambium.${server.token}`]);
  return { socket, api: connect(contract, createWebSocketChannel(socket as unknown as WebSocketLike)) };
};

describe('server', () => {
  it("has a long token in its address's fragment, another one each time", async () => {
    expect(server.address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#token=[0-9a-f]{64}$/);
    const other = await startServer(place.service.api, place.dir);
    expect(other.token).not.toBe(server.token);
    await other.close();
  });

  it('says which port it cannot have, and why', async () => {
    const why = async (port: number): Promise<unknown> =>
      (await expectAppError('serve/port', () => startServer(place.service.api, place.dir, port))).detail;
    expect(await why(server.port)).toEqual({ port: server.port, why: 'another program listens on it' });
    expect(await why(99_999)).toEqual({ port: 99_999, why: 'ports end at 65535' });
    const listen = vi.spyOn(Listener.prototype, 'listen').mockImplementation(function (this: Listener) {
      queueMicrotask(() => this.emit('error', Object.assign(new Error('listen EACCES'), { code: 'EACCES' })));
      return this;
    });
    onTestFinished(() => {
      listen.mockRestore();
    });
    expect(await why(80)).toEqual({ port: 80, why: 'the system does not let you have it' });
  });

  it('serves the page with strict headers', async () => {
    for (const path of ['/', '/index.html', '/?x=1']) {
      const { status, headers, body } = await get(path);
      expect([status, body, headers['content-type']]).toEqual([
        200,
        '<title>Cambium</title>',
        'text/html; charset=utf-8',
      ]);
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-opener-policy': 'same-origin',
        'cache-control': 'no-store',
      });
      expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'");
    }
    expect((await get('/assets/a.js')).headers['content-type']).toBe('text/javascript; charset=utf-8');
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
  ])('does not serve %s', async (path) => {
    const { status, body } = await get(path);
    expect(status).toBe(404);
    expect(body).not.toContain('secret');
  });

  it('answers on loopback names only', async () => {
    for (const host of [
      'evil.example',
      'evil.example:80',
      '127.0.0.1.evil.example',
      'localhost.evil.example',
    ])
      expect((await get('/', { host })).status).toBe(403);
    for (const host of [`localhost:${server.port}`, `127.0.0.1:${server.port}`, `[::1]:${server.port}`])
      expect((await get('/', { host })).status).toBe(200);
  });

  it('lets in who has the token, and nobody else', async () => {
    const good = `cambium.${server.token}`;
    expect(await outcome(open(['cambium', good]))).toBe('open cambium');
    expect(await outcome(open(['cambium', good], { origin: `http://127.0.0.1:${server.port}` }))).toBe(
      'open cambium',
    );
    expect(await outcome(open(['cambium']))).toBe('401');
    expect(await outcome(open([]))).toBe('401');
    expect(await outcome(open(['cambium', `cambium.${server.token.slice(1)}0`]))).toBe('401');
    expect(await outcome(open(['cambium', 'cambium.x']))).toBe('401');
    expect(await outcome(open(['cambium', good], { origin: 'http://evil.example' }))).toBe('403');
    expect(await outcome(open(['cambium', good], { origin: 'null' }))).toBe('403');
    expect(await outcome(open(['cambium', good], { host: 'evil.example' }))).toBe('403');
    expect(await outcome(open(['cambium', good], {}, '/other'))).toBe('404');
    expect(
      whyRefused({ url: `/rpc?token=${server.token}`, headers: { host: 'localhost' } }, server.token),
    ).toBe('401 Unauthorized');
    await waitUntil(() => server.connections() === 0);
  });

  it('stays up when who is refused has gone before the answer', async () => {
    const thrown: unknown[] = [];
    const note = (error: unknown): void => {
      thrown.push(error);
    };
    process.on('uncaughtException', note);
    onTestFinished(() => {
      process.off('uncaughtException', note);
    });
    for (let i = 0; i < 20; i++) {
      const socket = dial(server.port, '127.0.0.1').on('error', () => undefined);
      await once(socket, 'connect');
      socket.write(
        'GET /rpc HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
        () => {
          socket.resetAndDestroy();
        },
      );
      await once(socket, 'close');
    }
    expect((await get('/')).status).toBe(200);
    expect(thrown).toEqual([]);
  });

  it('speaks the contract: checked inputs, typed errors, streams', async () => {
    const { api, socket } = joined();
    expect(await api.about({})).toMatchObject({ version: '0.0.0' });
    expect(await errorCodeOf(api.openCheckpoint({ dir: '' }))).toBe('rpc/bad-input');
    expect(await errorCodeOf(api.openCheckpoint({ dir: join(place.dir, 'absent') }))).toBe('file/not-found');
    expect(await api.openCheckpoint({ dir: exampleCheckpoint })).toMatchObject({ family: 'llama' });
    socket.terminate();
    expect(await errorCodeOf(api.about({}))).toBe('rpc/closed');
  });

  it('keeps a run training when the page goes, and a page that comes later sees all of it', async () => {
    const first = joined();
    const card = await first.api.startRun({
      checkpoint: exampleCheckpoint,
      data: [place.textFile],
      out: join(place.dir, 'run'),
      settings: trainingSettings({ tokens: 300 }),
    });
    for await (const event of first.api.followRun({ id: card.id, from: 0 })) if (event.type === 'step') break;
    first.socket.terminate();
    await waitUntil(() => server.connections() === 0);
    const events = await collectAll(joined().api.followRun({ id: card.id, from: 0 }));
    expect(events.filter((e) => e.type === 'step')).toHaveLength(30);
    expect(events.at(-1)).toMatchObject({ type: 'stopped', reason: 'finished' });
  });

  it('closes on what is too large or not JSON, and stays up', async () => {
    for (const text of ['x'.repeat((16 << 20) + 1), '{not json']) {
      const { socket } = joined();
      await once(socket, 'open');
      socket.send(text);
      await once(socket, 'close');
    }
    expect((await get('/')).status).toBe(200);
  });

  it('ignores messages that are none of ours', async () => {
    const { socket, api } = joined();
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

  it('is not reachable but through loopback', async () => {
    const { networkInterfaces } = await import('node:os');
    const outside = Object.values(networkInterfaces())
      .flat()
      .find((n) => n && n.family === 'IPv4' && !n.internal)?.address;
    if (outside === undefined) return;
    const socket = dial(server.port, outside);
    expect(
      await Promise.race([
        once(socket, 'connect').then(() => 'connected'),
        once(socket, 'error').then(() => 'refused'),
      ]).catch(() => 'refused'),
    ).toBe('refused');
    socket.destroy();
  });
});
