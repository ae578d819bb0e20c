/**
 * @file Cambium's own folder: recently opened checkpoints, known runs, and caches. A damaged list is renamed
 * and started again, because losing it loses no work.
 */
import { mkdir, rename } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { JsonObject } from '../../base/json.ts';
import { exists, isNotFound, isObject, readJsonIfValid, writeJson, writeOrRefuse } from '../fs/files.ts';
import { withLock } from '../fs/lock.ts';
import { isRun } from '../run/runs.ts';

export interface KnownCheckpoint {
  readonly dir: string;
  readonly name: string;
  /** ISO 8601. */
  readonly opened: string;
}

export interface Home {
  readonly dir: string;
  /** Creates a cache folder: its contents can be made again. Returns its path. */
  createCacheDir(name: string): Promise<string>;
  /** Reads a JSON file of this folder; undefined when it is missing or damaged. */
  readFile(name: string): Promise<JsonObject | undefined>;
  /** Replaces a JSON file of this folder. Updates of several processes run one after the other. */
  updateFile(name: string, update: (before: JsonObject | undefined) => unknown): Promise<void>;
  /** Recently opened checkpoints that still exist, newest first. */
  listCheckpoints(): Promise<readonly KnownCheckpoint[]>;
  rememberCheckpoint(dir: string, name: string): Promise<void>;
  forgetCheckpoint(dir: string): Promise<void>;
  /** Folders of runs that still exist, newest first. */
  listRuns(): Promise<readonly string[]>;
  rememberRun(dir: string): Promise<void>;
  /** A free path for a new run of this name. Does not create the folder. */
  getFreeRunDir(name: string): Promise<string>;
}

/** Cambium's own folder: CAMBIUM_HOME, or the folder for application data of the platform. */
export function resolveHomeDir(
  environment: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
  user = homedir(),
): string {
  const own = environment['CAMBIUM_HOME'];
  if (own) return resolve(own);
  if (platform === 'darwin') return join(user, 'Library', 'Application Support', 'Cambium');
  if (platform === 'win32')
    return join(environment['APPDATA'] ?? join(user, 'AppData', 'Roaming'), 'Cambium');
  return join(environment['XDG_DATA_HOME'] || join(user, '.local', 'share'), 'cambium');
}

const maxListLength = 5000;

/** Opens Cambium's own folder. Creates nothing until something is written. */
export function openHome(dir = resolveHomeDir()): Home {
  const checkpointsFile = join(dir, 'checkpoints.json');
  const runsFile = join(dir, 'runs.json');
  const enqueue = createQueue();
  const update = (path: string, work: () => Promise<void>): Promise<void> =>
    enqueue(() => withLock(path, work));
  const updateList = <T>(
    path: string,
    read: () => Promise<readonly T[]>,
    change: (list: readonly T[]) => readonly T[],
  ): Promise<void> => update(path, async () => writeJson(path, change(await read()).slice(0, maxListLength)));
  const readCheckpoints = async (): Promise<readonly KnownCheckpoint[]> =>
    (await readList(checkpointsFile)).filter(isKnownCheckpoint);
  const readRuns = async (): Promise<readonly string[]> =>
    (await readList(runsFile)).filter((item) => typeof item === 'string');
  return {
    dir,
    async createCacheDir(name) {
      const path = join(dir, 'cache', name);
      await writeOrRefuse(path, () => mkdir(path, { recursive: true }));
      return path;
    },
    readFile: (name) => readOrSetAside(join(dir, name), isObject),
    updateFile(name, change) {
      const path = join(dir, name);
      return update(path, async () => writeJson(path, change(await readOrSetAside(path, isObject))));
    },
    listCheckpoints: async () =>
      filterAsync(await readCheckpoints(), (item) => exists(join(item.dir, 'config.json'))),
    rememberCheckpoint(path, name) {
      const full = resolve(path);
      return updateList(checkpointsFile, readCheckpoints, (list) => [
        { dir: full, name, opened: new Date().toISOString() },
        ...list.filter((item) => item.dir !== full),
      ]);
    },
    forgetCheckpoint: (path) =>
      updateList(checkpointsFile, readCheckpoints, (list) =>
        list.filter((item) => item.dir !== resolve(path)),
      ),
    listRuns: async () => filterAsync(await readRuns(), isRun),
    rememberRun: (path) =>
      updateList(runsFile, readRuns, (list) => [
        resolve(path),
        ...list.filter((item) => item !== resolve(path)),
      ]),
    async getFreeRunDir(name) {
      const base = toFolderName(name);
      for (let n = 1; ; n++) {
        const path = join(dir, 'runs', n === 1 ? base : `${base}-${n}`);
        if (!(await exists(path))) return path;
      }
    },
  };
}

/** Lower-case letters, digits and single dashes. */
const toFolderName = (name: string): string =>
  name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 60) || 'run';

const isKnownCheckpoint = (item: unknown): item is KnownCheckpoint =>
  isObject(item) && typeof item['dir'] === 'string' && typeof item['name'] === 'string';

async function filterAsync<T>(
  items: readonly T[],
  predicate: (item: T) => Promise<boolean>,
): Promise<readonly T[]> {
  const kept = await Promise.all(items.map(predicate));
  return items.filter((_, i) => kept[i]);
}

const readList = async (path: string): Promise<readonly unknown[]> =>
  (await readOrSetAside(path, Array.isArray)) ?? [];

/** Reads a JSON file; undefined when it is missing. A file of another type is renamed to `*.damaged-<time>`. */
async function readOrSetAside<T>(
  path: string,
  isExpected: (value: unknown) => value is T,
): Promise<T | undefined> {
  if (!(await exists(path))) return undefined;
  const value = await readJsonIfValid(path);
  if (isExpected(value)) return value;
  await writeOrRefuse(path, () =>
    rename(path, `${path}.damaged-${Date.now()}`).catch((error: unknown) => {
      // Another process may have renamed it at the same moment.
      if (!isNotFound(error)) throw error;
    }),
  );
  return undefined;
}

/** Runs updates of this process one after the other. */
function createQueue(): (work: () => Promise<void>) => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  return (work) => {
    last = last.catch(() => undefined).then(work);
    return last;
  };
}
