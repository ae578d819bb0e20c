/** @file The storage of the Hub server for tests: LFS downloads and uploads on an origin of their own. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { hashOf, readBody } from './hub-http.ts';

/** Signed URLs carry this; requests without it are refused. */
const signature = 'very-secret';
const signed = (url: string): string => `${url}?Signature=${signature}`;

export const blobUrl = (cdn: string, sha: string): string => signed(`${cdn}/blob/${sha}`);

/**
 * The LFS upload action for an object. An object larger than `partBytes` is uploaded in parts, whose URLs are
 * in the header.
 */
export function uploadAction(cdn: string, sha: string, size: number, partBytes: number): unknown {
  if (size <= partBytes) return { href: signed(`${cdn}/upload/${sha}`) };
  const parts = Array.from({ length: Math.ceil(size / partBytes) }, (_, i) => [
    String(i + 1).padStart(5, '0'),
    signed(`${cdn}/part/${sha}/${i + 1}`),
  ]);
  return {
    href: signed(`${cdn}/complete/${sha}`),
    header: { chunk_size: String(partBytes), ...Object.fromEntries(parts) },
  };
}

export class HubCdn {
  readonly #blobs: Map<string, Buffer>;
  readonly #parts = new Map<string, Map<number, Buffer>>();

  constructor(blobs: Map<string, Buffer>) {
    this.#blobs = blobs;
  }

  /** Handles a request; `sendBlob` sends the content of a blob. */
  async handle(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    sendBlob: (bytes: Buffer) => Promise<void>,
  ): Promise<void> {
    const [, action, sha = '', part] = url.pathname.split('/');
    // Signed storage refuses a request that also carries an Authorization header.
    if (url.searchParams.get('Signature') !== signature || request.headers.authorization !== undefined) {
      response.writeHead(403).end();
      return;
    }
    if (action === 'blob') {
      await sendBlob(this.#blobs.get(sha)!);
      return;
    }
    if (request.method === 'PUT' && request.headers['content-length'] === undefined) {
      response.writeHead(411).end();
      return;
    }
    const body = await readBody(request);
    if (action === 'part') {
      this.#addPart(sha, Number(part), body);
      response.writeHead(200, { ETag: `"${hashOf('md5', body)}"` }).end();
      return;
    }
    const content = action === 'complete' ? this.#joinParts(sha) : body;
    if (hashOf('sha256', content) !== sha) {
      response.writeHead(400).end('hash');
      return;
    }
    this.#blobs.set(sha, content);
    response.writeHead(200).end();
  }

  #addPart(sha: string, part: number, body: Buffer): void {
    const parts = this.#parts.get(sha) ?? new Map<number, Buffer>();
    parts.set(part, body);
    this.#parts.set(sha, parts);
  }

  #joinParts(sha: string): Buffer {
    const parts = [...this.#parts.get(sha)!].sort(([a], [b]) => a - b);
    return Buffer.concat(parts.map(([, bytes]) => bytes));
  }
}
