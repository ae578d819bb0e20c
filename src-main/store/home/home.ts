/**
 * @file Cambium's own folder: checkpoints opened before, runs wherever they lie, caches. A damaged list is
 * set aside and begun anew; it only remembers.
 */
import { mkdir, rename } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Json, JsonObject } from '../../base/json.ts';
import { aloneAt } from '../fs/lock.ts';
import { exists, isAbsent, isObject, readJson, writeJson, writing } from '../fs/files.ts';
import { isRun } from '../run/runs.ts';

export interface KnownCheckpoint {
  readonly dir: string;
  readonly name: string;
  /** ISO 8601. */ readonly opened: string;
}

export interface Home {
  readonly dir: string;
  /** A folder for what can be made again. */
  cache(name: string): Promise<string>;
  /** What a file of the folder's own holds; undefined where there is none. */
  read(name: string): Promise<JsonObject | undefined>;
  /** Puts another in its place; changes wait for each other. */
  change(name: string, make: (before: JsonObject | undefined) => unknown): Promise<void>;
  /** Newest first; folders that are gone are left out. */
  checkpoints(): Promise<readonly KnownCheckpoint[]>;
  rememberCheckpoint(dir: string, name: string): Promise<void>;
  forgetCheckpoint(dir: string): Promise<void>;
  /** Folders of runs, newest first; what is gone is left out. */
  runs(): Promise<readonly string[]>;
  rememberRun(dir: string): Promise<void>;
  /** A free path for a new run of this name; the folder is not made. */
  newRunDir(name: string): Promise<string>;
}

/** Where Cambium keeps things: CAMBIUM_HOME, or the platform's place for an app's own files. */
export function homeDir(
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

const mostRemembered = 5000;

export function openHome(dir = homeDir()): Home {
  const checkpointList = join(dir, 'checkpoints.json');
  const runList = join(dir, 'runs.json');
  const inTurn = turns();
  const changing = (path: string, work: () => Promise<void>): Promise<void> =>
    inTurn(() => aloneAt(path, work));
  const known = async (): Promise<readonly KnownCheckpoint[]> =>
    (await listIn(checkpointList)).filter(
      (item): item is KnownCheckpoint =>
        typeof (item as KnownCheckpoint | null)?.dir === 'string' &&
        typeof (item as KnownCheckpoint).name === 'string',
    );
  const dirs = async (): Promise<readonly string[]> =>
    (await listIn(runList)).filter((item) => typeof item === 'string');
  const write = (path: string, list: readonly unknown[]): Promise<void> =>
    writeJson(path, list.slice(0, mostRemembered));
  const present = async <T>(
    items: readonly T[],
    there: (item: T) => Promise<boolean>,
  ): Promise<readonly T[]> => {
    const found = await Promise.all(items.map(there));
    return items.filter((_, i) => found[i]);
  };
  return {
    dir,
    async cache(name) {
      const path = join(dir, 'cache', name);
      await writing(path, () => mkdir(path, { recursive: true }));
      return path;
    },
    read: (name) => soundIn(join(dir, name), isObject),
    change: (name, make) =>
      changing(join(dir, name), async () =>
        writeJson(join(dir, name), make(await soundIn(join(dir, name), isObject))),
      ),
    checkpoints: async () => present(await known(), (item) => exists(join(item.dir, 'config.json'))),
    rememberCheckpoint: (path, name) =>
      changing(checkpointList, async () =>
        write(checkpointList, [
          { dir: resolve(path), name, opened: new Date().toISOString() },
          ...(await known()).filter((item) => item.dir !== resolve(path)),
        ]),
      ),
    forgetCheckpoint: (path) =>
      changing(checkpointList, async () =>
        write(
          checkpointList,
          (await known()).filter((item) => item.dir !== resolve(path)),
        ),
      ),
    runs: async () => present(await dirs(), isRun),
    rememberRun: (path) =>
      changing(runList, async () =>
        write(runList, [resolve(path), ...(await dirs()).filter((item) => item !== resolve(path))]),
      ),
    async newRunDir(name) {
      const plain =
        name
          .toLowerCase()
          .replace(/[^a-z0-9]+/g, '-')
          .replace(/^-|-$/g, '')
          .slice(0, 60) || 'run';
      for (let n = 1; ; n++) {
        const path = join(dir, 'runs', n === 1 ? plain : `${plain}-${n}`);
        if (!(await exists(path))) return path;
      }
    },
  };
}

const listIn = async (path: string): Promise<readonly unknown[]> =>
  (await soundIn(path, Array.isArray)) ?? [];

/** What a file holds; one that holds something else is set aside with a mark in its name. */
async function soundIn<T>(path: string, is: (value: unknown) => value is T): Promise<T | undefined> {
  if (!(await exists(path))) return undefined;
  const value: Json | undefined = await readJson(path).catch(() => undefined);
  if (is(value)) return value;
  await writing(path, () =>
    rename(path, `${path}.damaged-${Date.now()}`).catch((error: unknown) => {
      if (!isAbsent(error)) throw error;
    }),
  ); // who reads at the same time may have done it
  return undefined;
}

/** Changes of a list one after the other, so that none is lost. */
function turns(): (work: () => Promise<void>) => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  return (work) => (last = last.catch(() => undefined).then(work));
}
