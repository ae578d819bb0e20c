/** @file Digests of folders. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export const digestBytes = (bytes: Uint8Array | string): string =>
  createHash('sha256').update(bytes).digest('hex');

/** SHA-256 of every file below `dir` whose path is accepted. */
export function digestFolder(
  dir: string,
  accepts: (path: string) => boolean = () => true,
): Readonly<Record<string, string>> {
  const paths = readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(dir, path)).isFile() && accepts(path))
    .sort();
  return Object.fromEntries(paths.map((path) => [path, digestBytes(readFileSync(join(dir, path)))]));
}

export const isSameDigest = (
  a: Readonly<Record<string, string>>,
  b: Readonly<Record<string, string>>,
): boolean => JSON.stringify(a) === JSON.stringify(b);
