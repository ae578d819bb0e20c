/**
 * @file The loopback server: the page, and the service behind a WebSocket. It binds to 127.0.0.1 only, and
 * answers only those who hold its token.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { appError } from '../../base/errors.ts';
import { webSocketChannel, type WebSocketLike } from '../../base/transports.ts';
import { serve } from '../../contract/serve.ts';
import { service as contract, type Service } from '../../contract/service.ts';
import { headers, pageFile } from '../pages.ts';

export interface Server {
  /** What a person opens: the address with the token in its fragment, which no browser sends anywhere. */
  readonly address: string;
  readonly port: number;
  readonly token: string;
  connections(): number;
  close(): Promise<void>;
}

/** The largest message a page may send, in bytes. */
const largest = 16 << 20;

/** Why a port cannot be listened on, by the system's word for it. */
const portReasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens on it',
  EACCES: 'the system does not let you have it',
  ERR_SOCKET_BAD_PORT: 'ports end at 65535',
};

/** Serves the page in `folder` and `api`. Port 0 takes a free one. Refuses `serve/port`. */
export async function startServer(api: Service, folder: string, port = 0): Promise<Server> {
  const token = randomBytes(32).toString('hex');
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: largest,
    perMessageDeflate: false,
    handleProtocols: () => 'cambium',
  });
  const http = createServer((request, response) => {
    void (async () => {
      if (!isLoopback(request)) {
        response.writeHead(403, headers).end('Forbidden: this server answers on loopback only.\n');
        return;
      }
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        response.writeHead(405, { ...headers, Allow: 'GET, HEAD' }).end();
        return;
      }
      const file = await pageFile(folder, request.url ?? '/');
      if (!file) {
        response.writeHead(404, { ...headers, 'Content-Type': 'text/plain' }).end('Not found\n');
        return;
      }
      response
        .writeHead(200, { ...headers, 'Content-Type': file.type, 'Content-Length': file.body.length })
        .end(request.method === 'HEAD' ? undefined : file.body);
    })();
  });
  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => undefined); // who asked may be gone before the answer
    const refused = whyRefused(request, token);
    if (refused !== undefined) {
      socket.end(`HTTP/1.1 ${refused}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (open: WebSocket) => {
      serve(contract, api, webSocketChannel(open as unknown as WebSocketLike));
    });
  });
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject);
    http.listen(port, '127.0.0.1', resolve);
  }).catch((error: NodeJS.ErrnoException) => {
    throw appError('serve/port', { port, why: portReasons[error.code ?? ''] ?? error.message });
  });
  const chosen = (http.address() as AddressInfo).port;
  return {
    address: `http://127.0.0.1:${chosen}/#token=${token}`,
    port: chosen,
    token,
    connections: () => sockets.clients.size,
    close: () =>
      new Promise((resolve) => {
        for (const client of sockets.clients) client.terminate();
        http.close(() => {
          resolve();
        });
        http.closeAllConnections();
      }),
  };
}

const loopback = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/;

/**
 * A page elsewhere can make a browser send requests here under a name of its own (DNS rebinding): the name
 * must be loopback's.
 */
export const isLoopback = (request: { readonly headers: { readonly host?: string | undefined } }): boolean =>
  loopback.test(request.headers.host ?? '');

/**
 * Why an upgrade is refused, as a status line, or undefined: the path, the host, the origin, the token, in
 * this order.
 */
export function whyRefused(
  request: Pick<IncomingMessage, 'url' | 'headers'>,
  token: string,
): string | undefined {
  const { host, origin } = request.headers;
  if (request.url?.split('?', 1)[0] !== '/rpc') return '404 Not Found';
  if (!isLoopback(request)) return '403 Forbidden';
  if (origin !== undefined && origin !== `http://${host ?? ''}`) return '403 Forbidden';
  const offered = String(request.headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((p) => p.trim());
  const given = offered.find((p) => p.startsWith('cambium.'))?.slice('cambium.'.length);
  return given !== undefined && same(given, token) ? undefined : '401 Unauthorized';
}

/** Equality whose time tells nothing about where two texts differ. */
const same = (a: string, b: string): boolean =>
  timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());
