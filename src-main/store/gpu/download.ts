/**
 * @file Downloads wheels from a Python package index: finds the version for this platform, resumes broken
 * downloads, and keeps a wheel only if its hash matches.
 */
import { open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { exists, isObject, writeOrRefuse } from '../fs/files.ts';
import { withLock } from '../fs/lock.ts';
import { hashFile } from './install.ts';
import { knownWheels } from './known-wheels.ts';
import { isPlatformCompatible, parseWheelName } from './packages.ts';

export interface DownloadOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (what: string, done: number, of: number) => void;
  readonly arch?: string;
}

/** The JSON form of a package index (PEP 691). */
const indexMediaType = 'application/vnd.pypi.simple.v1+json';

interface IndexedFile {
  readonly filename: string;
  readonly url: string;
  readonly hashes: JsonObject;
  readonly yanked?: boolean | string;
}

const isIndexedFile = (value: unknown): value is IndexedFile =>
  isObject(value) &&
  typeof value['filename'] === 'string' &&
  typeof value['url'] === 'string' &&
  isObject(value['hashes']);

/** Requests and errors of one download. */
interface DownloadContext {
  readonly signal: AbortSignal | undefined;
  /** Refuses `gpu/download`. */
  refuse(why: string): never;
}

/**
 * Downloads the newest wheel of a package for this machine into `folder`. `version` is an exact version, or a
 * pattern such as `13.*`; any release without it. Returns the path of the wheel. A partial download is resumed.
 * Refuses `gpu/download`, `cancelled`.
 */
export async function downloadWheel(
  index: string,
  name: string,
  version: string | undefined,
  folder: string,
  { signal, onProgress, arch = process.arch }: DownloadOptions = {},
): Promise<string> {
  const context: DownloadContext = {
    signal,
    refuse: (why) => refuse('gpu/download', { what: `${name} ${version ?? ''}`.trim(), why }),
  };
  const page = `${index.replace(/(?<!\/)\/+$/, '')}/${name}/`;
  const files = await fetchFileList(context, page);
  const file =
    findNewest(files, version, arch) ?? context.refuse('the index has no matching wheel for this machine');
  const expected = expectedHash(context, file);
  const path = join(folder, file.filename);
  const onBytes = (done: number, of: number): void => onProgress?.(file.filename, done, of);
  const url = new URL(file.url, page).href;
  // Two processes must not append to the same partial file.
  await withLock(path, () => fetchWheel(context, url, path, expected, onBytes), { signal });
  return path;
}

/** The SHA-256 that a wheel must have: that of this release for a wheel that it knows, else that of the index. */
function expectedHash(context: DownloadContext, { filename, hashes }: IndexedFile): string {
  const listed = hashes['sha256'];
  if (typeof listed !== 'string') return context.refuse('the index gives no SHA-256');
  const known = Object.hasOwn(knownWheels, filename) ? knownWheels[filename]! : listed;
  if (listed !== known)
    return context.refuse(
      `the index gives another SHA-256 for ${filename} than PyPI did when Cambium was made`,
    );
  return known;
}

/** Downloads a wheel to `path`, unless it is there with its hash. */
async function fetchWheel(
  context: DownloadContext,
  url: string,
  path: string,
  expected: string,
  onBytes: (done: number, of: number) => void,
): Promise<void> {
  const partial = `${path}.part`;
  if ((await exists(path)) && (await hashFile(path, 'hex')) === expected) return;
  await appendRest(context, url, partial, onBytes);
  if ((await hashFile(partial, 'hex')) !== expected) {
    // The partial file may have begun with the bytes of another wheel: start again, once.
    await rm(partial, { force: true });
    await appendRest(context, url, partial, onBytes);
    if ((await hashFile(partial, 'hex')) !== expected) {
      await rm(partial, { force: true });
      context.refuse('its SHA-256 differs from the index');
    }
  }
  await writeOrRefuse(path, () => rename(partial, path));
}

const loopbackHosts = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Refuses an address whose answers others on the network can change: only https, or this computer. */
function requireSecure(context: DownloadContext, url: string): void {
  const { protocol, hostname, host } = new URL(url);
  if (protocol === 'https:' || (protocol === 'http:' && loopbackHosts.has(hostname))) return;
  context.refuse(`${host} is not read over https`);
}

async function request(
  context: DownloadContext,
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<Response> {
  const { signal } = context;
  requireSecure(context, url);
  let response: Response;
  try {
    response = await fetch(url, { headers, ...(signal ? { signal } : {}) });
  } catch (error) {
    if (signal?.aborted) refuse('cancelled', { what: 'The download' });
    return context.refuse(`cannot connect to ${new URL(url).host} (${(error as Error).message})`);
  }
  requireSecure(context, response.url);
  return response;
}

async function fetchFileList(context: DownloadContext, page: string): Promise<readonly IndexedFile[]> {
  const response = await request(context, page, { accept: indexMediaType });
  if (!response.ok) return context.refuse(`${page} returned status ${response.status}`);
  const list: unknown = await response.json().catch(() => undefined);
  const files = isObject(list) ? list['files'] : undefined;
  if (!Array.isArray(files)) return context.refuse(`${page} returned no list of files as JSON`);
  return (files as unknown[]).filter(isIndexedFile);
}

/** The newest wheel for this machine that is not yanked and has a wanted version. */
function findNewest(
  files: readonly IndexedFile[],
  version: string | undefined,
  arch: string,
): IndexedFile | undefined {
  const getVersion = (file: IndexedFile): string => parseWheelName(file.filename)!.version;
  const matching = files.filter((file) => {
    const wheel = parseWheelName(file.filename);
    if (!wheel || file.yanked) return false;
    return isPlatformCompatible(wheel.platform, arch) && matchesVersion(wheel.version, version);
  });
  return matching.sort((a, b) => compareVersions(getVersion(a), getVersion(b))).at(-1);
}

/** A pattern matches no pre-releases, which have letters in their version. */
const matchesVersion = (version: string, wanted = '*'): boolean =>
  wanted.endsWith('*')
    ? version.startsWith(wanted.slice(0, -1)) && !/[a-z]/.test(version)
    : version === wanted;

const compareVersions = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });

/** Removes downloaded wheels. */
export const removeWheels = async (wheels: readonly string[]): Promise<void> => {
  for (const path of wheels) await writeOrRefuse(path, () => rm(path, { force: true }));
};

/** Downloads what is missing at the end of `partial`. Starts again if the server has no range requests. */
async function appendRest(
  context: DownloadContext,
  url: string,
  partial: string,
  onProgress: (done: number, of: number) => void,
): Promise<void> {
  const present = (await stat(partial).catch(() => undefined))?.size ?? 0;
  const response = await request(context, url, present > 0 ? { range: `bytes=${present}-` } : {});
  if (response.status === 416) return; // the file is complete
  if (!response.ok || !response.body) return context.refuse(`${url} returned status ${response.status}`);
  const isResumed = response.status === 206;
  let done = isResumed ? present : 0;
  const total = done + Number(response.headers.get('content-length') ?? 0);
  const file = await writeOrRefuse(partial, () => open(partial, isResumed ? 'a' : 'w'));
  try {
    for await (const chunk of response.body) {
      await writeOrRefuse(partial, () => file.write(chunk));
      done += chunk.length;
      onProgress(done, total);
    }
  } catch (error) {
    if (context.signal?.aborted) refuse('cancelled', { what: 'The download' });
    const isConnectionError = error instanceof TypeError || (error as Error).name === 'AbortError';
    if (isConnectionError) context.refuse('the connection broke; the next try resumes the download');
    throw error;
  } finally {
    await file.close();
  }
}
