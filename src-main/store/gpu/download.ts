/**
 * @file A wheel from a package index of the person's own choosing: found by version and platform, brought in
 * pieces that survive an interruption, kept only if its hash is right.
 */
import { open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { exists, isObject, writing } from '../fs/files.ts';
import { hashOf } from './installed.ts';
import { isForHere, readWheelName } from './packages.ts';

export interface DownloadOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (what: string, done: number, of: number) => void;
  readonly arch?: string;
}

/** The form of an index that lists files with their hashes (PEP 691). */
const listing = 'application/vnd.pypi.simple.v1+json';
interface Listed {
  readonly filename: string;
  readonly url: string;
  readonly hashes: JsonObject;
  readonly yanked?: boolean | string;
}
const isListed = (value: unknown): value is Listed =>
  isObject(value) &&
  typeof value['filename'] === 'string' &&
  typeof value['url'] === 'string' &&
  isObject(value['hashes']);

/**
 * Downloads the newest wheel of `name` for this machine into `folder`, and answers with its path: of exactly
 * `version` where that is given, of those that begin with it where it is `13.*`.
 * A part that is there already is continued to the byte. Refuses `gpu/download`.
 */
export async function downloadWheel(
  index: string,
  name: string,
  version: string | undefined,
  folder: string,
  { signal, onProgress = () => undefined, arch = process.arch }: DownloadOptions = {},
): Promise<string> {
  const page = `${index.replace(/\/+$/, '')}/${name}/`;
  const fail = (why: string): never =>
    refuse('gpu/download', { what: `${name} ${version ?? ''}`.trim(), why });
  const ask = async (url: string, headers: Readonly<Record<string, string>>): Promise<Response> => {
    try {
      return await fetch(url, { headers, ...(signal ? { signal } : {}) });
    } catch (error) {
      if (signal?.aborted) refuse('cancelled', { what: 'The download' });
      return fail(`${new URL(url).host} does not answer (${(error as Error).message})`);
    }
  };
  const answer = await ask(page, { accept: listing });
  if (!answer.ok) return fail(`${page} answers ${answer.status}`);
  const listed: unknown = await answer.json().catch(() => undefined);
  const files =
    isObject(listed) && Array.isArray(listed['files'])
      ? (listed['files'] as unknown[]).filter(isListed)
      : fail(`${page} has no list of files in JSON`);
  const fitting = files.filter((f) => {
    const read = readWheelName(f.filename);
    return read && !f.yanked && isForHere(read.platform, arch) && isWanted(read.version, version);
  });
  const found =
    fitting
      .sort((a, b) => newest(readWheelName(a.filename)!.version, readWheelName(b.filename)!.version))
      .at(-1) ?? fail('the index has no such wheel for this machine');
  const wanted =
    typeof found.hashes['sha256'] === 'string' ? found.hashes['sha256'] : fail('the index tells no SHA-256');
  const whole = join(folder, found.filename);
  const part = `${whole}.part`;
  if ((await exists(whole)) && (await hashOf(whole, 'hex')) === wanted) return whole;
  for (let tries = 0; ; tries++) {
    await append(
      ask,
      new URL(found.url, page).href,
      part,
      (done, of) => {
        onProgress(found.filename, done, of);
      },
      fail,
      signal,
    );
    if ((await hashOf(part, 'hex')) === wanted) break;
    await rm(part, { force: true }); // begun with other bytes: once more, from the start
    if (tries > 0) fail('its SHA-256 is not what the index says');
  }
  await writing(whole, () => rename(part, whole));
  return whole;
}

/** Before a release come versions with letters; they are taken only by their whole name. */
const isWanted = (version: string, wanted = '*'): boolean =>
  wanted.endsWith('*')
    ? version.startsWith(wanted.slice(0, -1)) && !/[a-z]/.test(version)
    : version === wanted;
const newest = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });

/** Takes away what was downloaded, once it is installed. */
export const dropWheels = async (wheels: readonly string[]): Promise<void> => {
  for (const path of wheels) await writing(path, () => rm(path, { force: true }));
};

/**
 * Brings what is missing at the end of `part`. A server that sends all of it again is taken from the start.
 */
async function append(
  ask: (url: string, headers: Readonly<Record<string, string>>) => Promise<Response>,
  url: string,
  part: string,
  onProgress: (done: number, of: number) => void,
  fail: (why: string) => never,
  signal?: AbortSignal,
): Promise<void> {
  const have = (await stat(part).catch(() => undefined))?.size ?? 0;
  const answer = await ask(url, have > 0 ? { range: `bytes=${have}-` } : {});
  if (answer.status === 416) return; // nothing is missing
  if (!answer.ok || !answer.body) fail(`${url} answers ${answer.status}`);
  const goesOn = answer.status === 206;
  const of = (goesOn ? have : 0) + Number(answer.headers.get('content-length') ?? 0);
  const file = await writing(part, () => open(part, goesOn ? 'a' : 'w'));
  let done = goesOn ? have : 0;
  try {
    for await (const chunk of answer.body!) {
      await writing(part, () => file.write(chunk));
      onProgress((done += chunk.length), of);
    }
  } catch (error) {
    if (signal?.aborted) refuse('cancelled', { what: 'The download' });
    throw error instanceof TypeError || (error as Error).name === 'AbortError' ? broken(fail) : error;
  } finally {
    await file.close();
  }
}

const broken = (fail: (why: string) => never): never =>
  fail('the connection broke; what came is kept, and the next try goes on from there');
