/** @file The folder of a bake-off: bakeoff.json, and the list of known bake-offs. */
import { join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { describeIssue } from '../../contract/serve.ts';
import {
  bakeoffFile,
  bakeoffVersion,
  storedBakeoff,
  type BakeoffPlan,
  type StoredBakeoff,
} from '../../bakeoff/state.ts';
import { exists, makeFolder, readJson, writeJson } from '../../store/fs/files.ts';
import type { Home } from '../../store/home/home.ts';

const isPrivate = true;
/** A file of the home folder, and the most bake-offs that it lists. */
const listFile = 'bakeoffs.json';
const longestList = 500;

export const isBakeoff = (dir: string): Promise<boolean> => exists(join(dir, bakeoffFile));

/** Reads bakeoff.json. Throws `bakeoff/not-found` and `bakeoff/damaged`. */
export async function readBakeoff(dir: string): Promise<StoredBakeoff> {
  if (!(await isBakeoff(dir))) return refuse('bakeoff/not-found', { path: dir });
  const json = await readJson(join(dir, bakeoffFile)).catch((error: unknown) =>
    refuse('bakeoff/damaged', { path: dir, why: (error as Error).message }),
  );
  const parsed = storedBakeoff.safeParse(json);
  if (parsed.success) return parsed.data;
  return refuse('bakeoff/damaged', { path: dir, why: describeIssue(parsed.error.issues[0]) });
}

/** Replaces bakeoff.json: it has the old content or the new one, also after a kill. */
export const writeBakeoff = (dir: string, bakeoff: StoredBakeoff): Promise<void> =>
  writeJson(join(dir, bakeoffFile), bakeoff, { isPrivate });

/** Creates the folder of a new bake-off. Throws `file/exists`. */
export async function createBakeoff(dir: string, plan: BakeoffPlan): Promise<void> {
  if (await exists(dir)) refuse('file/exists', { path: dir });
  await makeFolder(join(dir, 'runs'), { isPrivate });
  await writeBakeoff(dir, {
    ...plan,
    version: bakeoffVersion,
    created: new Date().toISOString(),
    measurements: [],
  });
}

/** A folder in the home folder that does not exist yet. */
export async function findFreeFolder(home: Home, name: string): Promise<string> {
  const safe =
    name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .slice(0, 60) || 'bakeoff';
  for (let n = 1; ; n++) {
    const path = join(home.dir, 'bakeoffs', n === 1 ? safe : `${safe}-${n}`);
    if (!(await exists(path))) return path;
  }
}

const readList = (json: { readonly dirs?: unknown } | undefined): readonly string[] =>
  Array.isArray(json?.dirs) ? json.dirs.filter((dir) => typeof dir === 'string') : [];

/** The folders of the known bake-offs that still exist, newest first. */
export async function listBakeoffFolders(home: Home): Promise<readonly string[]> {
  const dirs = readList(await home.readFile(listFile));
  const found = await Promise.all(dirs.map(isBakeoff));
  return dirs.filter((_, i) => found[i]);
}

export const rememberBakeoff = (home: Home, dir: string): Promise<void> =>
  home.updateFile(listFile, (before) => ({
    dirs: [dir, ...readList(before).filter((other) => other !== dir)].slice(0, longestList),
  }));
