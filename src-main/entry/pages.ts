/** @file Serves the files of the built page with strict headers. Nothing outside of their folder is served. */
import { readFile, realpath, stat } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};

const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  // Also the WebSocket of the page's own host and port.
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
];

export const pageHeaders: Readonly<Record<string, string>> = {
  'Content-Security-Policy': contentSecurityPolicy.join('; '),
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), microphone=(), geolocation=(), usb=()',
  'Cache-Control': 'no-store',
};

interface PageFile {
  readonly type: string;
  readonly body: Buffer;
}

/** The files that were read, so that many readers share one copy. */
const cached = new Map<string, { readonly changed: number; readonly body: Buffer }>();

async function readCached(path: string): Promise<Buffer> {
  const { mtimeMs: changed } = await stat(path);
  const known = cached.get(path);
  if (known?.changed === changed) return known.body;
  const body = await readFile(path);
  cached.set(path, { changed, body });
  return body;
}

/** The file of an address and its type; undefined if there is none in `folder`. */
export async function readPageFile(folder: string, address: string): Promise<PageFile | undefined> {
  const path = decodePath(address);
  if (path === undefined) return undefined;
  try {
    const root = await realpath(folder);
    const file = await realpath(join(root, path === '/' ? 'index.html' : path));
    const type = types[extname(file)];
    const isServed = type !== undefined && file.startsWith(root + sep);
    return isServed ? { type, body: await readCached(file) } : undefined;
  } catch {
    return undefined;
  }
}

/** The path of an address, without query and fragment; undefined if it is malformed. */
function decodePath(address: string): string | undefined {
  try {
    const path = decodeURIComponent(address.split(/[?#]/, 1)[0]!);
    return path.includes('\0') || path.includes('\\') ? undefined : path;
  } catch {
    return undefined;
  }
}
