/**
 * @file Finds and reads files of a model's folder by name. The folder may come from anybody: a link must not lead out
 * of it, only regular files are opened, and a file that is read whole has a largest size. A snapshot in the Hugging
 * Face cache holds links to the blobs of its repository.
 */
import { lstat, readdir, readlink, realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { isNotFound, readJsonObject, readOrRefuse, readRegularFile, toReadError } from './files.ts';

const repositoryPrefix = 'models--';

/** True for a path below `root`, and not `root` itself. */
export function isInside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** The folder of the repository in the Hugging Face cache that `dir` is a snapshot of. */
function findRepository(dir: string): string | undefined {
  const repository = dirname(dirname(dir));
  const isSnapshot = basename(dirname(dir)) === 'snapshots';
  return isSnapshot && basename(repository).startsWith(repositoryPrefix) ? repository : undefined;
}

/** `owner/name` of a repository's folder, `models--owner--name`. */
const getRepositoryName = (dir: string): string =>
  basename(dir).slice(repositoryPrefix.length).replaceAll('--', '/');

const realpathIfThere = (path: string): Promise<string | undefined> =>
  realpath(path).catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw toReadError(path, error);
  });

/** Bytes of the largest file of each kind that is read whole. Weights are read in ranges and have no limit. */
const largestBytes: readonly (readonly [name: RegExp, bytes: number])[] = [
  [/^(config|generation_config|adapter_config)\.json$/i, 10e6],
  [/^(readme\.md|licen[sc]e.*|notice.*|use_policy.*)$/i, 10e6],
  [/^(tokenizer|vocab|merges|added_tokens|special_tokens_map|chat_template).*$/i, 200e6],
];
/** growth.json holds a recipe for every weight, an index the file of every weight. */
const otherLargestBytes = 300e6;

const getLargestBytes = (name: string): number =>
  largestBytes.find(([pattern]) => pattern.test(basename(name)))?.[1] ?? otherLargestBytes;

/**
 * Finds the file `name` in the folder `dir`; undefined if there is none. Its links may point into `dir`, and
 * those of a snapshot into the repository or to its blobs, which may be on another disk. Refuses
 * `checkpoint/missing-blob`, `checkpoint/broken-link`, `checkpoint/link-outside`, and `file/unreadable` for what is no
 * regular file.
 */
export async function findInside(dir: string, name: string): Promise<string | undefined> {
  const found = await locate(dir, name);
  if (!found) return undefined;
  const { path, target } = found;
  if (!(await readOrRefuse(path, () => stat(target))).isFile())
    refuse('file/unreadable', { path, why: 'it is not a regular file' });
  return path;
}

/**
 * Reads the file `name` in the folder `dir`; undefined if there is none. Refuses what `findInside` refuses, and
 * `file/too-large`.
 */
export async function readInside(dir: string, name: string): Promise<Buffer | undefined> {
  const found = await locate(dir, name);
  return found && readRegularFile(found.target, getLargestBytes(name));
}

/** As `readInside`, for a JSON file that holds an object. Refuses `file/bad-json`. */
export async function readJsonInside(dir: string, name: string): Promise<JsonObject | undefined> {
  const found = await locate(dir, name);
  return found && readJsonObject(found.target, getLargestBytes(name));
}

interface Found {
  /** The name in the folder. */
  readonly path: string;
  /** What its links lead to. */
  readonly target: string;
}

async function locate(dir: string, name: string): Promise<Found | undefined> {
  const path = join(dir, name);
  const found = await lstat(path).catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw toReadError(path, error);
  });
  if (!found) return undefined;
  const root = await realpath(dir);
  const repository = findRepository(resolve(dir)) ?? findRepository(root);
  const target = await realpathIfThere(path);
  if (target === undefined) return refuseBrokenLink(dir, name, repository);
  const others = repository === undefined ? [] : [repository, join(repository, 'blobs')];
  const roots = [root, ...(await Promise.all(others.map(realpathIfThere)))].filter(
    (one) => one !== undefined,
  );
  if (!roots.some((one) => isInside(one, target))) refuse('checkpoint/link-outside', { path, target });
  return { path, target };
}

async function refuseBrokenLink(dir: string, name: string, repository: string | undefined): Promise<never> {
  const path = join(dir, name);
  const target = await readlink(path).catch(() => '?');
  if (repository === undefined) return refuse('checkpoint/broken-link', { path, target });
  const repo = getRepositoryName(repository);
  return refuse('checkpoint/missing-blob', { path: dir, file: name, blob: basename(target), repo });
}

/** A ref holds the hash of a commit. */
const maxRefBytes = 1000;

/** The snapshots of a repository that hold a config.json: that of `main` first, then the newest. */
async function listSnapshots(repository: string): Promise<readonly string[]> {
  const folder = join(repository, 'snapshots');
  const ref = await readRegularFile(join(repository, 'refs', 'main'), maxRefBytes).catch(() =>
    Buffer.alloc(0),
  );
  const main = ref.toString('utf8').trim();
  const commits = await readdir(folder).catch(() => []);
  const found: { readonly dir: string; readonly rank: number }[] = [];
  for (const commit of commits) {
    const dir = join(folder, commit);
    const config = await lstat(join(dir, 'config.json')).catch(() => undefined);
    if (config) found.push({ dir, rank: commit === main ? Infinity : (await stat(dir)).mtimeMs });
  }
  return found.sort((a, b) => b.rank - a.rank).map(({ dir }) => dir);
}

/**
 * Refuses a folder of the Hugging Face cache that is no snapshot, and names the snapshot to open:
 * `checkpoint/cache-repository` for a repository or a folder in it, `checkpoint/cache` for the cache itself.
 */
export async function refuseCacheFolder(dir: string): Promise<void> {
  const repository = [dir, dirname(dir)].find((path) => basename(path).startsWith(repositoryPrefix));
  if (repository !== undefined) {
    const isPart = repository === dir || ['snapshots', 'blobs', 'refs'].includes(basename(dir));
    const repo = getRepositoryName(repository);
    if (isPart)
      refuse('checkpoint/cache-repository', { path: dir, repo, snapshots: await listSnapshots(repository) });
  }
  const names = await readdir(dir).catch(() => []);
  const models = names.filter((name) => name.startsWith(repositoryPrefix)).sort();
  if (models.length === 0) return;
  const snapshots = await listSnapshots(join(dir, models[0]!));
  refuse('checkpoint/cache', { path: dir, models: models.map(getRepositoryName), snapshots });
}
