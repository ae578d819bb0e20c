/**
 * @file Finds a folder that was dropped into a browser, which does not reveal its path. The search is bounded in
 * depth, folders and time.
 */
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { anyJson, parseJsonIfValid } from '../base/json.ts';
import { listFolder } from '../store/fs/browse.ts';
import { readJson } from '../store/fs/files.ts';
import { readHubSettings } from '../store/hub/settings.ts';
import type { Home } from '../store/home/home.ts';

export interface DroppedFolder {
  readonly name: string;
  /** The text of its config.json. */
  readonly config: string;
  readonly sizes: readonly { readonly name: string; readonly bytes: number }[];
}

const maxDepth = 4;
const maxFolders = 3000;
const maxMilliseconds = 4000;
/** Where models are kept besides the home folder. Those that are not there have no folders. */
const disks = ['/data', '/models', '/mnt', '/media', '/srv', '/workspace', '/Volumes'];
const skippedFolders = /^(\.|node_modules$|proc$|sys$|dev$)/;

/**
 * Folders with the same name, config.json and file sizes, nearest first. Searches below `roots`; by default next
 * to recent checkpoints, in the working folder, its parent, the home folder, the Hugging Face cache and other disks.
 */
export async function locateCheckpoint(
  home: Home,
  dropped: DroppedFolder,
  roots?: readonly string[],
): Promise<readonly string[]> {
  // It is only compared with other files.
  const config = parseJsonIfValid(dropped.config, anyJson);
  if (config === undefined) return [];
  const sizes = visibleSizes(dropped);
  const found: string[] = [];
  for await (const dir of walk(roots ?? (await defaultRoots(home)))) {
    if (basename(dir) !== dropped.name) continue;
    if (await hasContent(dir, config, sizes).catch(() => false)) found.push(dir);
  }
  return found;
}

async function defaultRoots(home: Home): Promise<readonly string[]> {
  const recent = (await home.listCheckpoints()).map(({ dir }) => dirname(dir));
  return [...recent, process.cwd(), dirname(process.cwd()), homedir(), readHubSettings().cache, ...disks];
}

/** Bytes by file name, without hidden files, which `listFolder` leaves out. */
const visibleSizes = ({ sizes }: DroppedFolder): ReadonlyMap<string, number> =>
  new Map(
    sizes
      .map(({ name, bytes }) => [basename(name), bytes] as const)
      .filter(([name]) => !name.startsWith('.')),
  );

async function hasContent(
  dir: string,
  config: unknown,
  expected: ReadonlyMap<string, number>,
): Promise<boolean> {
  const { entries } = await listFolder(dir);
  const sizes = new Map(entries.filter((entry) => !entry.folder).map(({ name, bytes }) => [name, bytes]));
  return (
    [...expected].every(([name, bytes]) => sizes.get(name) === bytes) &&
    isDeepStrictEqual(await readJson(join(dir, 'config.json')), config)
  );
}

/** The folders below each root in turn, breadth first, so that near folders come before deep ones. */
async function* walk(roots: readonly string[]): AsyncGenerator<string> {
  const deadline = Date.now() + maxMilliseconds;
  const seen = new Set<string>();
  for (const root of roots) {
    let level = [root];
    for (let depth = 0; level.length > 0; depth++) {
      const next: string[] = [];
      for (const dir of level) {
        if (seen.has(dir) || seen.size >= maxFolders || Date.now() > deadline) continue;
        seen.add(dir);
        yield dir;
        if (depth < maxDepth) next.push(...(await listSubfolders(dir)));
      }
      level = next;
    }
  }
}

async function listSubfolders(dir: string): Promise<readonly string[]> {
  const entries = await listFolder(dir).then(
    (folder) => folder.entries,
    () => [],
  );
  return entries
    .filter((entry) => entry.folder && !skippedFolders.test(entry.name))
    .map((entry) => entry.path);
}
