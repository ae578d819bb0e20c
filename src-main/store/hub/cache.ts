/**
 * @file The Hugging Face cache: the paths of blobs, snapshots and refs, the snapshots in it, and how one is
 * created and removed. Layout: https://huggingface.co/docs/huggingface_hub/guides/manage-cache.
 */
import { copyFile, link, lstat, readdir, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { AppError, refuse, type ErrorData } from '../../base/errors.ts';
import { familyOf } from '../../model/families/index.ts';
import { textConfigOf } from '../../model/families/text-model.ts';
import type { HubCached, HubFile, HubSnapshot } from '../../model/hub.ts';
import { listShards } from '../checkpoint/shards.ts';
import { findInside, readJsonInside } from '../fs/inside.ts';
import {
  createTemporaryPath,
  exists,
  makeFolder,
  readRegularFile,
  removeStaleFiles,
  syncFolder,
  writeOrRefuse,
  writeText,
} from '../fs/files.ts';
import { journalFolder, readJournals } from './journal.ts';
import { isValidRevision } from './settings.ts';

/** `models--owner--name` in the cache. */
export const getRepoDir = (cache: string, repo: string): string =>
  join(cache, `models--${repo.replaceAll('/', '--')}`);

const getRepoName = (repoDir: string): string =>
  basename(repoDir).slice('models--'.length).replaceAll('--', '/');

export const getSnapshotDir = (cache: string, repo: string, commit: string): string =>
  join(getRepoDir(cache, repo), 'snapshots', commit);

export const getBlobPath = (cache: string, repo: string, etag: string): string =>
  join(getRepoDir(cache, repo), 'blobs', etag);

/** Where a blob is downloaded to. The name is Cambium's own, so that no other tool appends to it. */
export const getPartialPath = (cache: string, repo: string, etag: string): string =>
  `${getBlobPath(cache, repo, etag)}.cambium.incomplete`;

/** Size of a file; null when it does not exist. */
export const readFileSize = async (path: string): Promise<number | null> =>
  lstat(path).then(
    (found) => found.size,
    () => null,
  );

/** Folders of the model repositories in the cache; empty when there is no cache. */
export async function listRepoDirs(cache: string): Promise<readonly string[]> {
  const entries = await readdir(cache, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && /^models--[^-]/.test(entry.name))
    .map((entry) => join(cache, entry.name));
}

/** The snapshots that hold a config.json, newest first, without unfinished downloads of Cambium. */
export async function listCachedModels(cache: string): Promise<readonly HubCached[]> {
  const found: { readonly model: HubCached; readonly time: number }[] = [];
  for (const repoDir of await listRepoDirs(cache)) {
    const commits = await readdir(join(repoDir, 'snapshots')).catch(() => []);
    const refs = await readRefs(repoDir);
    const journals = await readJournals(repoDir);
    for (const commit of commits) {
      const dir = join(repoDir, 'snapshots', commit);
      const journal = journals.find((one) => one.commit === commit);
      const isUnfinished = journal !== undefined && journal.complete === null;
      if (isUnfinished || !(await exists(join(dir, 'config.json')))) continue;
      const { time, bytes } = await measureFolder(dir);
      const known = { bytes, refs: refs.get(commit) ?? [], own: journal !== undefined };
      found.push({ time, model: await readCachedModel(dir, known) });
    }
  }
  return found.sort((a, b) => b.time - a.time).map(({ model }) => model);
}

/** Reads the family of a snapshot, and why it cannot be opened. */
async function readCachedModel(
  dir: string,
  known: Pick<HubCached, 'bytes' | 'refs' | 'own'>,
): Promise<HubCached> {
  const repo = getRepoName(dirname(dirname(dir)));
  const base = { repo, commit: basename(dir), dir, ...known };
  let family: string | null = null;
  try {
    const config = await readJsonInside(dir, 'config.json');
    const given = config ?? refuse('checkpoint/no-config', { path: dir });
    family = familyOf(textConfigOf(given) ?? given).id;
    for (const name of await listShards(dir))
      if ((await findInside(dir, name)) === undefined)
        refuse('checkpoint/missing-shard', { path: repo, file: name });
    return { ...base, family, why: null };
  } catch (error) {
    const why: ErrorData =
      error instanceof AppError ? error.toData() : { code: 'checkpoint/no-weights', detail: { path: repo } };
    return { ...base, family, why };
  }
}

/** Size of the files in a folder, and the modification time of the newest in milliseconds since 1970. */
async function measureFolder(dir: string): Promise<{ readonly bytes: number; readonly time: number }> {
  let bytes = 0;
  let time = 0;
  for (const name of await readdir(dir).catch(() => [])) {
    const found = await stat(join(dir, name)).catch(() => undefined);
    if (!found?.isFile()) continue;
    bytes += found.size;
    time = Math.max(time, found.mtimeMs);
  }
  return { bytes, time };
}

/** A ref holds the hash of a commit. */
const maxRefBytes = 1000;

/** Branches and tags by commit. */
async function readRefs(repoDir: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const refs = new Map<string, string[]>();
  const root = join(repoDir, 'refs');
  const entries = await readdir(root, { withFileTypes: true, recursive: true }).catch(() => []);
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const stored = await readRegularFile(path, maxRefBytes).catch(() => Buffer.alloc(0));
    const commit = stored.toString('utf8').trim();
    const name = relative(root, path).replaceAll('\\', '/');
    refs.set(commit, [...(refs.get(commit) ?? []), name]);
  }
  return refs;
}

/**
 * Creates a snapshot whose blobs are all in the cache: a link per file, then the ref of its branch or tag. The link
 * of config.json comes last: without it, the folder is no model. Returns its folder. Refuses `hub/bad-name` for a
 * revision that is unsafe as a path.
 */
export async function linkSnapshot(
  cache: string,
  { repo, revision, commit, files }: HubSnapshot,
): Promise<string> {
  if (!isValidRevision(revision)) refuse('hub/bad-name', { given: `${repo}@${revision}` });
  const dir = getSnapshotDir(cache, repo, commit);
  const isConfig = ({ path }: HubFile): boolean => path === 'config.json';
  const ordered = [...files].sort((a, b) => Number(isConfig(a)) - Number(isConfig(b)));
  const ref = join(getRepoDir(cache, repo), 'refs', ...revision.split('/'));
  await writeOrRefuse(dir, async () => {
    await makeFolder(dir);
    await removeStaleFiles(dir);
    for (const { path, etag } of ordered) await linkFile(getBlobPath(cache, repo, etag), join(dir, path));
    await syncFolder(dir);
    if (revision === commit) return;
    await makeFolder(dirname(ref));
    await removeStaleFiles(dirname(ref));
    await writeText(ref, commit);
  });
  return dir;
}

/** Creates a relative symbolic link, as huggingface_hub does; else a hard link; else a copy. */
async function linkFile(blob: string, path: string): Promise<void> {
  const target = relative(dirname(path), blob);
  if ((await readlink(path).catch(() => '')) === target) return;
  const temporary = createTemporaryPath(path);
  await symlink(target, temporary)
    .catch(() => link(blob, temporary))
    .catch(() => copyFile(blob, temporary));
  await rename(temporary, path);
}

/**
 * Removes the files of a discarded download: its partial files, and blobs that no snapshot uses. Keeps what
 * another unfinished download has fetched.
 */
export async function removeUnusedBlobs(cache: string, { repo, files }: HubSnapshot): Promise<void> {
  const repoDir = getRepoDir(cache, repo);
  const { unfinished, used } = await findUsedBlobs(repoDir);
  await writeOrRefuse(repoDir, async () => {
    for (const { etag } of files) {
      if (unfinished.has(etag)) continue;
      await rm(getPartialPath(cache, repo, etag), { force: true });
      if (!used.has(etag)) await rm(getBlobPath(cache, repo, etag), { force: true });
    }
    const snapshots = await readdir(join(repoDir, 'snapshots')).catch(() => []);
    const blobs = await readdir(join(repoDir, 'blobs')).catch(() => []);
    if (snapshots.length > 0 || blobs.length > 0) return;
    for (const name of await readdir(repoDir))
      if (name !== journalFolder) await rm(join(repoDir, name), { recursive: true, force: true });
  });
}

/**
 * The blobs of unfinished downloads, and those that snapshots use. A snapshot names its blobs by its links, or
 * in its journal where links are not allowed.
 */
async function findUsedBlobs(
  repoDir: string,
): Promise<{ readonly unfinished: ReadonlySet<string>; readonly used: ReadonlySet<string> }> {
  const unfinished = new Set<string>();
  const used = new Set<string>();
  const snapshots = join(repoDir, 'snapshots');
  for (const { commit, complete, files } of await readJournals(repoDir)) {
    const etags = files.map((file) => file.etag);
    if (complete === null) for (const etag of etags) unfinished.add(etag);
    else if (await exists(join(snapshots, commit))) for (const etag of etags) used.add(etag);
  }
  const entries = await readdir(snapshots, { withFileTypes: true, recursive: true }).catch(() => []);
  for (const entry of entries)
    if (entry.isSymbolicLink()) used.add(basename(await readlink(join(entry.parentPath, entry.name))));
  return { unfinished, used };
}
