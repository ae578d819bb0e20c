/**
 * @file Cambium's own folder: recently opened checkpoints, known runs, and caches. Only its owner can enter it. A
 * list that was read and does not parse is renamed and started again; one that cannot be read now is left alone.
 */
import { mkdir, readdir, rmdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { AppError } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { exists, makeFolder, removeStaleFiles, writeOrRefuse } from '../fs/files.ts';
import { isRun } from '../run/runs.ts';
import { readStored, updateStored } from './stored-list.ts';

const knownCheckpoint = z.object({
  dir: z.string(),
  name: z.string(),
  /** ISO 8601. */
  opened: z.string().default(''),
  family: z.string().optional(),
  parameters: z.number().optional(),
  bytes: z.number().optional(),
  origin: z.enum(['grown', 'exported', 'downloaded']).optional(),
});
export type KnownCheckpoint = Readonly<z.infer<typeof knownCheckpoint>>;
/** What is stored of a checkpoint besides its folder and name. Facts that are absent stay as they were. */
export type KnownFacts = Partial<Omit<KnownCheckpoint, 'dir' | 'name' | 'opened'>>;

/** Entries that are no checkpoints or paths are left out: another version of Cambium may have written them. */
const checkpointList = z
  .array(z.unknown())
  .transform((items) => items.flatMap((item) => knownCheckpoint.safeParse(item).data ?? []));
const pathList = z
  .array(z.unknown())
  .transform((items) => items.filter((item): item is string => typeof item === 'string'));
const jsonObject = z.record(z.string(), z.json());

export interface Home {
  readonly dir: string;
  /** Creates a cache folder: its contents can be made again. Returns its path. */
  createCacheDir(name: string): Promise<string>;
  /** Reads a JSON file of this folder; undefined when it is missing or damaged. Refuses `file/unreadable`. */
  readFile(name: string): Promise<JsonObject | undefined>;
  /** Replaces a JSON file of this folder. Updates of several processes run one after the other. */
  updateFile(name: string, update: (before: JsonObject | undefined) => unknown): Promise<void>;
  /** Recently opened checkpoints that still exist, newest first. */
  listCheckpoints(): Promise<readonly KnownCheckpoint[]>;
  /** False when the list cannot be written, which must not keep anybody from using the checkpoint. */
  rememberCheckpoint(dir: string, name: string, facts?: KnownFacts): Promise<boolean>;
  forgetCheckpoint(dir: string): Promise<void>;
  /** Folders of runs that still exist, newest first: those that were remembered, and those in the home. */
  listRuns(): Promise<readonly string[]>;
  /** The folders that have or had runs. */
  listRunParents(): Promise<readonly string[]>;
  /** False when the list cannot be written. */
  rememberRun(dir: string): Promise<boolean>;
  /**
   * Calls `create` with a new, empty folder for a run of this name, which no other process is given. Returns the
   * folder. Removes it if `create` throws.
   */
  createRunFolder(name: string, create: (dir: string) => Promise<unknown>): Promise<string>;
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
const isPrivate = true;

/** Opens Cambium's own folder. Creates nothing until something is written. */
export function openHome(dir = resolveHomeDir()): Home {
  const checkpointsFile = join(dir, 'checkpoints.json');
  const runsFile = join(dir, 'runs.json');
  const runsFolder = join(dir, 'runs');
  const enqueue = createQueue();
  let isPrepared = false;
  const update = <T>(
    path: string,
    schema: z.ZodType<T>,
    change: (before: T | undefined) => unknown,
  ): Promise<void> =>
    enqueue(async () => {
      await writeOrRefuse(dir, () => makeFolder(dir, { isPrivate }));
      if (!isPrepared) await removeStaleFiles(dir).catch(() => undefined);
      isPrepared = true;
      await updateStored(path, schema, change);
    });
  const updateCheckpoints = (
    change: (list: readonly KnownCheckpoint[]) => readonly KnownCheckpoint[],
  ): Promise<void> =>
    update(checkpointsFile, checkpointList, (list = []) => change(list).slice(0, maxListLength));
  return {
    dir,
    async createCacheDir(name) {
      const path = join(dir, 'cache', name);
      await writeOrRefuse(path, () => makeFolder(path, { isPrivate }));
      return path;
    },
    readFile: (name) => readStored(join(dir, name), jsonObject),
    updateFile: (name, change) => update(join(dir, name), jsonObject, change),
    async listCheckpoints() {
      const list = (await readStored(checkpointsFile, checkpointList)) ?? [];
      return filterAsync(list, (item) => exists(join(item.dir, 'config.json')));
    },
    rememberCheckpoint(path, name, facts = {}) {
      const full = resolve(path);
      const entry = { ...facts, dir: full, name, opened: new Date().toISOString() };
      const change = (list: readonly KnownCheckpoint[]): readonly KnownCheckpoint[] => {
        const before = list.find((item) => item.dir === full);
        return [{ ...before, ...entry }, ...list.filter((item) => item.dir !== full)];
      };
      return succeeds(updateCheckpoints(change));
    },
    forgetCheckpoint: (path) =>
      updateCheckpoints((list) => list.filter((item) => item.dir !== resolve(path))),
    async listRuns() {
      const remembered = (await readStored(runsFile, pathList)) ?? [];
      const names = await readdir(runsFolder).catch(() => []);
      // A process may have died after it created a run and before it remembered it.
      const found = names.filter((name) => !name.startsWith('.')).map((name) => join(runsFolder, name));
      return filterAsync([...new Set([...remembered, ...found])], isRun);
    },
    async listRunParents() {
      const remembered = (await readStored(runsFile, pathList)) ?? [];
      return [...new Set([runsFolder, ...remembered.map((path) => dirname(path))])];
    },
    rememberRun(path) {
      const full = resolve(path);
      const change = (list: readonly string[] = []): readonly string[] =>
        [full, ...list.filter((item) => item !== full)].slice(0, maxListLength);
      return succeeds(update(runsFile, pathList, change));
    },
    async createRunFolder(name, create) {
      await writeOrRefuse(runsFolder, () => makeFolder(runsFolder, { isPrivate }));
      const path = await claimFolder(runsFolder, toFolderName(name, 'run'));
      try {
        await create(path);
      } catch (error) {
        await rmdir(path).catch(() => undefined);
        throw error;
      }
      return path;
    },
  };
}

/** Creates the first of `<name>`, `<name>-2`, `<name>-3` and so on that does not exist. Returns its path. */
async function claimFolder(parent: string, name: string): Promise<string> {
  for (let n = 1; ; n++) {
    const path = join(parent, n === 1 ? name : `${name}-${n}`);
    try {
      await mkdir(path, 0o700);
      return path;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
        return writeOrRefuse(path, () => Promise.reject(error));
    }
  }
}

/** False when `work` fails for a reason that a person can act on. */
const succeeds = (work: Promise<void>): Promise<boolean> =>
  work.then(
    () => true,
    (error: unknown) => {
      if (error instanceof AppError) return false;
      throw error;
    },
  );

/** Lower-case letters, digits and single dashes; `fallback` for a name without any. */
export const toFolderName = (name: string, fallback: string): string =>
  name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 60) || fallback;

async function filterAsync<T>(
  items: readonly T[],
  predicate: (item: T) => Promise<boolean>,
): Promise<readonly T[]> {
  const kept = await Promise.all(items.map(predicate));
  return items.filter((_, i) => kept[i]);
}

/** Runs updates of this process one after the other. */
function createQueue(): (work: () => Promise<void>) => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  return (work) => {
    last = last.catch(() => undefined).then(work);
    return last;
  };
}
