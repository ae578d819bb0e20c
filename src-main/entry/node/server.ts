/**
 * @file The local server: serves the page, and the service over a WebSocket. It listens on 127.0.0.1 only and
 * requires a token.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { createError } from '../../base/errors.ts';
import { createWebSocketChannel, type WebSocketLike } from '../../base/transports.ts';
import { serve } from '../../contract/serve.ts';
import { service as contract, type Service } from '../../contract/service.ts';
import { pageHeaders, readPageFile } from '../pages.ts';

export interface Server {
  /** The address to open. The token is in its fragment, which browsers never send. */
  readonly address: string;
  readonly port: number;
  readonly token: string;
  connections(): number;
  close(): Promise<void>;
}

/** Bytes of the largest message that a page may send. */
const maxMessageBytes = 16 << 20;

/** Why a port cannot be used, by error code. */
const portReasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program uses it',
  EACCES: 'you do not have permission to use it',
  ERR_SOCKET_BAD_PORT: 'the largest port is 65535',
};

/** Serves the page in `folder`, and `api`. Port 0 chooses a free one. Throws `serve/port`. */
export async function startServer(api: Service, folder: string, port = 0): Promise<Server> {
  const token = randomBytes(32).toString('hex');
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxMessageBytes,
    perMessageDeflate: false,
    handleProtocols: () => 'cambium',
  });
  const http = createServer((request, response) => {
    void respond(request, response, folder);
  });
  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // The client may have disconnected before the response.
    socket.on('error', () => undefined);
    const refusal = whyRefused(request, token);
    if (refusal !== undefined) {
      socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (open: WebSocket) => {
      serve(contract, api, createWebSocketChannel(open as unknown as WebSocketLike));
    });
  });
  const listening = new Promise<void>((resolve, reject) => {
    http.once('error', reject);
    http.listen(port, '127.0.0.1', resolve);
  });
  await listening.catch((error: NodeJS.ErrnoException) => {
    throw createError('serve/port', { port, why: portReasons[error.code ?? ''] ?? error.message });
  });
  const chosenPort = (http.address() as AddressInfo).port;
  return {
    address: addressOf(chosenPort, token),
    port: chosenPort,
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

/** The address of a page with its token. */
export const addressOf = (port: number, token: string): string => `http://127.0.0.1:${port}/#token=${token}`;

/** Answers a request for a file of the page. */
async function respond(request: IncomingMessage, response: ServerResponse, folder: string): Promise<void> {
  if (!isLoopback(request)) {
    response.writeHead(403, pageHeaders).end('Forbidden: this server answers on loopback only.\n');
    return;
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { ...pageHeaders, Allow: 'GET, HEAD' }).end();
    return;
  }
  const file = await readPageFile(folder, request.url ?? '/');
  if (!file) {
    response.writeHead(404, { ...pageHeaders, 'Content-Type': 'text/plain' }).end('Not found\n');
    return;
  }
  const { type, body } = file;
  response.writeHead(200, { ...pageHeaders, 'Content-Type': type, 'Content-Length': body.length });
  response.end(request.method === 'HEAD' ? undefined : body);
}

const loopback = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/;

/**
 * True if the request names a loopback host. Another page can make a browser connect to this server under its own
 * name (DNS rebinding).
 */
export const isLoopback = (request: { readonly headers: { readonly host?: string | undefined } }): boolean =>
  loopback.test(request.headers.host ?? '');

/** Why an upgrade is refused, as a status line; undefined if the path, host, origin and token are right. */
export function whyRefused(
  request: Pick<IncomingMessage, 'url' | 'headers'>,
  token: string,
): string | undefined {
  const { host, origin } = request.headers;
  if (request.url?.split('?', 1)[0] !== '/rpc') return '404 Not Found';
  if (!isLoopback(request)) return '403 Forbidden';
  if (origin !== undefined && origin !== `http://${host ?? ''}`) return '403 Forbidden';
  const protocols = String(request.headers['sec-websocket-protocol'] ?? '').split(',');
  const prefix = 'cambium.';
  const given = protocols.map((name) => name.trim()).find((name) => name.startsWith(prefix));
  const isAllowed = given !== undefined && isSameText(given.slice(prefix.length), token);
  return isAllowed ? undefined : '401 Unauthorized';
}

/** Compares in constant time. */
const isSameText = (a: string, b: string): boolean => timingSafeEqual(hash(a), hash(b));
const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
