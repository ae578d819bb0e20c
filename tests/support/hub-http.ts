/** @file HTTP for the Hub server for tests: bodies, JSON, errors, and files with ranges and faults. */
import { createHash } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Fault } from './hub-types.ts';

type Headers = Readonly<Record<string, string>>;

/** Hash of the concatenated parts, in hexadecimal. */
export function hashOf(algorithm: string, ...parts: readonly (string | Buffer)[]): string {
  const hash = createHash(algorithm);
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export async function readJsonBody(request: IncomingMessage): Promise<unknown> {
  return JSON.parse((await readBody(request)).toString());
}

/** Listens on a free loopback port; returns the origin. */
export async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export async function close(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
    server.closeAllConnections();
  });
}

export function sendJson(
  response: ServerResponse,
  value: unknown,
  status = 200,
  headers: Headers = {},
): void {
  response
    .writeHead(status, { 'Content-Type': 'application/json; charset=utf-8', ...headers })
    .end(JSON.stringify(value));
}

/** Sends an error as the Hub does; `code` is its X-Error-Code, empty for none. */
export function sendError(response: ServerResponse, status: number, code: string, message: string): void {
  const headers: Headers = code ? { 'X-Error-Code': code, 'X-Error-Message': message } : {};
  sendJson(response, { error: message }, status, headers);
}

/** Sends a file or the requested range of it. `isActive` is false once the fault was withdrawn. */
export async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Buffer,
  headers: Headers,
  fault: Fault | undefined,
  isActive: () => boolean,
): Promise<void> {
  const range = fault?.ignoreRange ? null : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const from = range ? Number(range[1]) : 0;
  const to = range?.[2] ? Math.min(bytes.length, Number(range[2]) + 1) : bytes.length;
  if (range && from >= bytes.length) {
    response.writeHead(416, { 'Content-Range': `bytes */${bytes.length}` }).end();
    return;
  }
  let body = bytes.subarray(from, to);
  if (fault?.corrupt) {
    body = Buffer.from(body);
    body[body.length >> 1]! ^= 1;
  }
  response.writeHead(range ? 206 : 200, {
    ...headers,
    'Content-Length': String(body.length),
    ...(range ? { 'Content-Range': `bytes ${from}-${to - 1}/${bytes.length}` } : {}),
  });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  if (fault?.cutAfter !== undefined) {
    response.write(body.subarray(0, fault.cutAfter), () => {
      response.destroy();
    });
    return;
  }
  const delay = fault?.chunkDelayMs;
  const chunk = delay ? 4096 : body.length;
  for (let start = 0; start < body.length && !response.destroyed; start += chunk) {
    response.write(body.subarray(start, start + chunk));
    if (delay && isActive()) {
      await new Promise((resolve) => {
        setTimeout(resolve, delay);
      });
    }
  }
  response.end();
}
