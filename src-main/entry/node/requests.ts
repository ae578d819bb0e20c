/** @file Answers the HTTP requests of the local server: files of the page, challenges, and codes. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { pageHeaders, readPageFile } from '../pages.ts';
import type { Access } from './access.ts';
import { isLoopback, isOwnOrigin } from './origin.ts';
import { findPeerUser, isOwner } from './peer-user.ts';

export interface Site {
  /** The folder of the built page. */
  readonly folder: string;
  readonly access: Access;
}

/** The page sends the code of its address here, and gets the token. */
const tokenPath = '/token';
/** Bytes of the longest code. */
const maxCodeBytes = 200;

const end = (response: ServerResponse, status: number, text = '', type = 'text/plain'): void => {
  response.writeHead(status, { ...pageHeaders, 'Content-Type': type }).end(text);
};
const sendJson = (response: ServerResponse, value: unknown): void => {
  end(response, 200, JSON.stringify(value), 'application/json');
};

/** Answers a request. */
export async function respond(request: IncomingMessage, response: ServerResponse, site: Site): Promise<void> {
  // The client may have disconnected before the response.
  response.on('error', () => undefined);
  if (request.socket.destroyed) return;
  if (!isLoopback(request)) {
    end(response, 403, 'Forbidden: this server answers on loopback only.\n');
    return;
  }
  if (request.url === tokenPath && request.method === 'POST') {
    await exchangeCode(request, response, site.access);
    return;
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    refuseBody(request, response, 405, { Allow: 'GET, HEAD' });
    return;
  }
  const nonce = /^\/challenge\?nonce=([0-9a-f]{32})$/.exec(request.url ?? '')?.[1];
  if (nonce !== undefined) {
    sendJson(response, site.access.challenge(nonce));
    return;
  }
  await sendFile(request, response, site.folder);
}

/** Refuses a request whose body is not read, and closes its connection. */
function refuseBody(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): void {
  // The request has lost its socket by the time the response is sent.
  const { socket } = request as { readonly socket: Socket | null };
  response.writeHead(status, { ...pageHeaders, ...headers, Connection: 'close' }).end(() => {
    socket?.destroySoon();
  });
}

async function sendFile(request: IncomingMessage, response: ServerResponse, folder: string): Promise<void> {
  const file = await readPageFile(folder, request.url ?? '/');
  if (!file) {
    end(response, 404, 'Not found\n');
    return;
  }
  const { type, body } = file;
  response.writeHead(200, { ...pageHeaders, 'Content-Type': type, 'Content-Length': body.length });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/**
 * Exchanges a code for the token. Other users of this computer may see the code on a command line, so on Linux it is
 * of use to its owner only.
 */
async function exchangeCode(
  request: IncomingMessage,
  response: ServerResponse,
  access: Access,
): Promise<void> {
  const isOwnPage = request.headers.origin !== undefined && isOwnOrigin(request);
  const code = isOwnPage ? await readBody(request, maxCodeBytes) : undefined;
  if (code === undefined || !access.hasCode(code)) {
    refuseBody(request, response, isOwnPage ? 401 : 403);
    return;
  }
  const user = await findPeerUser(request.socket);
  // Other systems do not tell, so that the code alone decides.
  const isAllowed = typeof user === 'number' ? isOwner(user) : process.platform !== 'linux';
  const token = isAllowed ? access.redeem(code) : undefined;
  if (token === undefined) end(response, 403);
  else sendJson(response, { token });
}

/** The body of a request; undefined if it is longer than `limit` bytes or breaks off. */
async function readBody(request: IncomingMessage, limit: number): Promise<string | undefined> {
  let text = '';
  request.setEncoding('utf8');
  try {
    // The response to a body that is too long needs the socket.
    for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<string>) {
      text += part;
      if (text.length > limit) return undefined;
    }
    return text;
  } catch {
    return undefined;
  }
}
