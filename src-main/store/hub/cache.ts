/**
 * @file The Hugging Face cache: where blobs, snapshots and refs of a repository lie, what whole snapshots are
 * there, and how a new one appears.
 */
import {
  copyFile,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { AppError, type ErrorData } from '../../base/errors.ts';
import { familyOf } from '../../model/families/index.ts';
import type { HubCached, HubSnapshot } from '../../model/hub.ts';
import { exists, readObject, writeText, writing } from '../fs/files.ts';
import { shardNames } from '../checkpoint/shards.ts';
import { journals, ownFolder } from './journal.ts';

/** `models--owner--name` below the cache. */
export const repoFolder = (cache: string, repo: string): string =>
  join(cache, `models--${repo.replaceAll('/', '--')}`);
const repoOf = (folder: string): string => basename(folder).slice('models--'.length).replaceAll('--', '/');
export const snapshotFolder = (cache: string, repo: string, commit: string): string =>
  join(repoFolder(cache, repo), 'snapshots', commit);
export const blobFile = (cache: string, repo: string, etag: string): string =>
  join(repoFolder(cache, repo), 'blobs', etag);

/** Folders of repositories in the cache; none when there is no cache. */
async function repoFolders(cache: string): Promise<readonly string[]> {
  const entries = await readdir(cache, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && /^models--[^-]/.test(entry.name))
    .map((entry) => join(cache, entry.name));
}
export { repoFolders };

/**
 * Every snapshot that holds a config.json, newest first; those that a download of ours has yet to finish are
 * left out.
 */
export async function cachedModels(cache: string): Promise<readonly HubCached[]> {
  const found: { readonly model: HubCached; readonly time: number }[] = [];
  for (const folder of await repoFolders(cache)) {
    const commits = await readdir(join(folder, 'snapshots')).catch(() => []);
    const refs = await refsOf(folder);
    const own = await journals(folder);
    for (const commit of commits) {
      const dir = join(folder, 'snapshots', commit);
      const journal = own.find((one) => one.commit === commit);
      if ((journal && journal.complete === null) || !(await exists(join(dir, 'config.json')))) continue;
      const { time, bytes } = await measured(dir);
      found.push({
        time,
        model: await cachedModel(dir, { bytes, refs: refs.get(commit) ?? [], own: journal !== undefined }),
      });
    }
  }
  return found.sort((a, b) => b.time - a.time).map(({ model }) => model);
}

async function cachedModel(
  dir: string,
  known: Pick<HubCached, 'bytes' | 'refs' | 'own'>,
): Promise<HubCached> {
  const repo = repoOf(dirname(dirname(dir)));
  const base = { repo, commit: basename(dir), dir, ...known };
  let family: string | null = null;
  try {
    family = familyOf(await readObject(join(dir, 'config.json'))).id;
    for (const name of await shardNames(dir)) await stat(join(dir, name));
    return { ...base, family, why: null };
  } catch (error) {
    const why: ErrorData =
      error instanceof AppError ? error.toData() : { code: 'checkpoint/no-weights', detail: { path: repo } };
    return { ...base, family, why };
  }
}

/** Bytes of the files of a folder and the time of the newest. */
async function measured(dir: string): Promise<{ readonly bytes: number; readonly time: number }> {
  let bytes = 0;
  let time = 0;
  for (const name of await readdir(dir).catch(() => [])) {
    const found = await stat(join(dir, name)).catch(() => undefined);
    if (found?.isFile()) {
      bytes += found.size;
      time = Math.max(time, found.mtimeMs);
    }
  }
  return { bytes, time };
}

/** Branches and tags by commit. */
async function refsOf(folder: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const refs = new Map<string, string[]>();
  const root = join(folder, 'refs');
  for (const entry of await readdir(root, { withFileTypes: true, recursive: true }).catch(() => [])) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const commit = (await readFile(path, 'utf8').catch(() => '')).trim();
    refs.set(commit, [...(refs.get(commit) ?? []), relative(root, path).replaceAll('\\', '/')]);
  }
  return refs;
}

/** Makes the snapshot of blobs that are all there: a link for each file, then the ref of a branch or tag. */
export async function linkSnapshot(
  cache: string,
  { repo, revision, commit, files }: HubSnapshot,
): Promise<string> {
  const dir = snapshotFolder(cache, repo, commit);
  const ref = join(repoFolder(cache, repo), 'refs', ...revision.split('/'));
  await writing(dir, async () => {
    await mkdir(dir, { recursive: true });
    for (const { path, etag } of files) await linkFile(blobFile(cache, repo, etag), join(dir, path));
    if (revision === commit) return;
    await mkdir(dirname(ref), { recursive: true });
    await writeText(ref, commit);
  });
  return dir;
}

/**
 * A relative link as huggingface_hub makes it; where links are not allowed, a second name of the same bytes,
 * or a copy.
 */
async function linkFile(blob: string, path: string): Promise<void> {
  const target = relative(dirname(path), blob);
  if ((await readlink(path).catch(() => '')) === target) return;
  const beside = `${path}.${process.pid}.new`;
  await rm(beside, { force: true });
  await symlink(target, beside)
    .catch(() => link(blob, beside))
    .catch(() => copyFile(blob, beside));
  await rename(beside, path);
}

/**
 * Removes what a given-up download left: its partial files, and the blobs that no snapshot names; nothing
 * that another download has begun with.
 */
export async function sweepSnapshot(cache: string, { repo, files }: HubSnapshot): Promise<void> {
  const folder = repoFolder(cache, repo);
  const { begun, named } = await neededBlobs(folder);
  await writing(folder, async () => {
    for (const { etag } of files) {
      if (begun.has(etag)) continue;
      await rm(partialFile(cache, repo, etag), { force: true });
      if (!named.has(etag)) await rm(blobFile(cache, repo, etag), { force: true });
    }
    const left = await readdir(join(folder, 'snapshots')).catch(() => []);
    const blobs = await readdir(join(folder, 'blobs')).catch(() => []);
    if (left.length > 0 || blobs.length > 0) return;
    for (const name of await readdir(folder))
      if (name !== ownFolder) await rm(join(folder, name), { recursive: true, force: true });
  });
}

/**
 * Blobs that unfinished downloads have begun with, and those that a snapshot names: by its links, or, where
 * links are not allowed, in its manifest.
 */
async function neededBlobs(
  folder: string,
): Promise<{ readonly begun: ReadonlySet<string>; readonly named: ReadonlySet<string> }> {
  const begun = new Set<string>();
  const named = new Set<string>();
  for (const { commit, complete, files } of await journals(folder))
    if (complete === null || (await exists(join(folder, 'snapshots', commit))))
      for (const { etag } of files) (complete === null ? begun : named).add(etag);
  for (const entry of await readdir(join(folder, 'snapshots'), {
    withFileTypes: true,
    recursive: true,
  }).catch(() => []))
    if (entry.isSymbolicLink()) named.add(basename(await readlink(join(entry.parentPath, entry.name))));
  return { begun, named };
}

/** Where the bytes of a blob gather; its own name, so that no other tool appends to it. */
export const partialFile = (cache: string, repo: string, etag: string): string =>
  `${blobFile(cache, repo, etag)}.cambium.incomplete`;
/** Bytes of a file that may be absent. */
export const sizeOf = async (path: string): Promise<number | null> =>
  lstat(path).then(
    (found) => found.size,
    () => null,
  );
