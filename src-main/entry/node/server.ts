/**
 * @file The local server: serves the page, and the service over a WebSocket. It listens on 127.0.0.1 only, and only
 * whoever knows its token may call the service.
 */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { promisify } from 'node:util';
import { WebSocketServer, type WebSocket } from 'ws';
import { createError } from '../../base/errors.ts';
import { createWebSocketChannel, type WebSocketLike } from '../../base/transports.ts';
import { serve } from '../../contract/serve.ts';
import { service as contract, type Service } from '../../contract/service.ts';
import { proofHeader } from '../handshake.ts';
import { createAccess, type Access } from './access.ts';
import { respond } from './requests.ts';
import { isLoopback, isOwnOrigin } from './origin.ts';
import { limitStrangers } from './strangers.ts';

export interface Server {
  /** The address to open. The token is in its fragment, which browsers never send. */
  readonly address: string;
  readonly port: number;
  readonly token: string;
  /** An address that gives access once, and for a minute. */
  createOneTimeAddress(): string;
  /** The connections that have shown the token. */
  connections(): number;
  /** All open connections. */
  countConnections(): Promise<number>;
  close(): Promise<void>;
}

export interface ServerOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** Called with the new token when the one before was revoked. */
  readonly onRevoked?: (token: string) => void;
}

/** Bytes of the largest message that a page may send. */
const maxMessageBytes = 16 << 20;
/** Milliseconds for a request to arrive, between two requests of a connection, and for a refusal to be read. */
const requestTimeout = 10_000;
const keepAliveTimeout = 5000;
const refusalTimeout = 1000;
/** Connections that wait to be accepted. With fewer, a burst of others makes the owner's wait for seconds. */
const backlog = 4096;
/** Milliseconds between two looks for requests that are late. */
const checkInterval = 2000;

/** Why a port cannot be used, by error code. */
const portReasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program uses it',
  EACCES: 'you do not have permission to use it',
  ERR_SOCKET_BAD_PORT: 'the largest port is 65535',
};

/** Serves the page in `folder`, and `api`. Throws `serve/port`. */
export async function startServer(
  api: Service,
  folder: string,
  { port = 0, onRevoked = () => undefined }: ServerOptions = {},
): Promise<Server> {
  const access = createAccess();
  const sockets = createSocketServer();
  const timeouts = { headersTimeout: requestTimeout, requestTimeout, keepAliveTimeout };
  const http = createServer(
    { ...timeouts, connectionsCheckingInterval: checkInterval },
    (request, response) => {
      void respond(request, response, { folder, access });
    },
  );
  const strangers = limitStrangers(http);
  const revoke = (): void => {
    access.revoke();
    for (const client of sockets.clients) client.terminate();
    onRevoked(access.token);
  };
  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // The client may have disconnected before the response.
    socket.on('error', () => undefined);
    const decision = decide(request, access);
    if (decision.refusal !== undefined) {
      refuseUpgrade(socket, decision.refusal);
      return;
    }
    strangers.markKnown(socket);
    if (decision.proof !== undefined) proofs.set(request, decision.proof);
    sockets.handleUpgrade(request, socket, head, (open: WebSocket) => {
      if (pathOf(request) === revokePath) revoke();
      else serve(contract, api, createWebSocketChannel(open as unknown as WebSocketLike));
    });
  });
  const listening = new Promise<void>((resolve, reject) => {
    http.once('error', reject);
    http.listen({ port, host: '127.0.0.1', backlog }, resolve);
  });
  await listening.catch((error: NodeJS.ErrnoException) => {
    throw createError('serve/port', { port, why: portReasons[error.code ?? ''] ?? error.message });
  });
  const chosenPort = (http.address() as AddressInfo).port;
  return {
    get address() {
      return addressOf(chosenPort, access.token);
    },
    port: chosenPort,
    get token() {
      return access.token;
    },
    createOneTimeAddress: () => `http://127.0.0.1:${chosenPort}/#code=${access.createCode()}`,
    connections: () => sockets.clients.size,
    countConnections: () => promisify(http.getConnections.bind(http))(),
    close: () =>
      new Promise((resolve) => {
        for (const client of sockets.clients) client.terminate();
        http.close(() => {
          resolve();
        });
        strangers.closeAll();
      }),
  };
}

/** The proofs to send with the responses to upgrades. */
const proofs = new WeakMap<IncomingMessage, string>();

function createSocketServer(): WebSocketServer {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxMessageBytes,
    perMessageDeflate: false,
    handleProtocols: () => 'cambium',
  });
  return sockets.on('headers', (headers, request) => {
    const proof = proofs.get(request);
    if (proof !== undefined) headers.push(`${proofHeader}: ${proof}`);
  });
}

/** The address of a page with its token. */
export const addressOf = (port: number, token: string): string => `http://127.0.0.1:${port}/#token=${token}`;

/** A WebSocket to this path replaces the token and closes all connections. */
export const revokePath = '/revoke';
const upgradePaths = ['/rpc', revokePath];
const pathOf = ({ url = '' }: Pick<IncomingMessage, 'url'>): string => url.split('?', 1)[0]!;

interface Decision {
  /** Why an upgrade is refused, as a status line; undefined if the path, host, origin and token are right. */
  readonly refusal?: string;
  /** The server's proof, if the client gave one. */
  readonly proof?: string | undefined;
}

export function decide(request: Pick<IncomingMessage, 'url' | 'headers'>, access: Access): Decision {
  if (!upgradePaths.includes(pathOf(request))) return { refusal: '404 Not Found' };
  if (!isLoopback(request) || !isOwnOrigin(request)) return { refusal: '403 Forbidden' };
  const protocols = String(request.headers['sec-websocket-protocol'] ?? '').split(',');
  return access.admit(protocols.map((name) => name.trim())) ?? { refusal: '401 Unauthorized' };
}

/** Sends a refusal and closes the connection, also if the other end does not. */
function refuseUpgrade(socket: Duplex, refusal: string): void {
  socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  const timer = setTimeout(() => socket.destroy(), refusalTimeout);
  socket.once('close', () => {
    clearTimeout(timer);
  });
}
