/**
 * @file Finds the folder that was dropped on a page in a browser, which may not tell its path: same name,
 * same config.json, same file sizes. Bounded in depth, folders and time.
 */
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { browse } from '../store/fs/browse.ts';
import { readJson } from '../store/fs/files.ts';
import type { Place } from './dependencies.ts';

export interface Dropped {
  readonly name: string;
  readonly config: string;
  readonly sizes: readonly { readonly name: string; readonly bytes: number }[];
}

const depth = 4;
const folders = 3000;
const milliseconds = 4000;
const skipped = /^(\.|node_modules$|proc$|sys$|dev$)/;

/**
 * Matching folders, nearest to recent checkpoints first. Where the search starts: `roots`, or recent parents,
 * the working folder and home.
 */
export async function locate(
  place: Place,
  dropped: Dropped,
  roots?: readonly string[],
): Promise<readonly string[]> {
  const recent = roots ? [] : (await place.home.checkpoints()).map((c) => c.dir);
  const starts = roots ?? [
    ...recent.map((dir) => dirname(dir)),
    process.cwd(),
    dirname(process.cwd()),
    homedir(),
  ];
  const wanted = new Map(
    dropped.sizes.map((s) => [basename(s.name), s.bytes] as const).filter(([name]) => !name.startsWith('.')),
  ); // `browse` leaves hidden files out
  let config: unknown;
  try {
    config = JSON.parse(dropped.config);
  } catch {
    return [];
  }
  const until = Date.now() + milliseconds;
  const seen = new Set<string>();
  const found: string[] = [];

  const matches = async (dir: string): Promise<boolean> => {
    const { entries } = await browse(dir);
    const sizes = new Map(entries.filter((e) => !e.folder).map((e) => [e.name, e.bytes]));
    return (
      [...wanted].every(([name, bytes]) => sizes.get(name) === bytes) &&
      isDeepStrictEqual(await readJson(join(dir, 'config.json')), config)
    );
  };

  // Start by start and breadth first, so that near folders come before deep and crowded ones.
  for (const start of starts)
    for (let level = [{ dir: start, depth: 0 }]; level.length > 0;) {
      const next: typeof level = [];
      for (const { dir, depth: d } of level) {
        if (seen.has(dir) || seen.size >= folders || Date.now() > until) continue;
        seen.add(dir);
        if (basename(dir) === dropped.name && (await matches(dir).catch(() => false))) found.push(dir);
        if (d >= depth) continue;
        const inside = await browse(dir).then(
          (folder) => folder.entries,
          () => [],
        );
        for (const entry of inside)
          if (entry.folder && !skipped.test(entry.name)) next.push({ dir: entry.path, depth: d + 1 });
      }
      level = next;
    }
  return found;
}
