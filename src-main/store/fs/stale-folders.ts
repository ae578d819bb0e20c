/**
 * @file The names of folders that are being written, replaced or removed, and what becomes of those whose process
 * has died: a folder that was about to be replaced gets its name back, all others are removed.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, renameSync, statSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { syncFolder } from './files.ts';
import {
  createOwnerPattern,
  formatOwner,
  judgeProcess,
  markOwnProcess,
  parseOwner,
  type ProcessMark,
} from './process.ts';

/** `-old`: the folder that the new one replaces. `-removed`: a folder that is being removed. */
type Role = '' | '-old' | '-removed';

interface TemporaryFolder {
  /** The final name, or a hash of it. */
  readonly key: string;
  readonly owner: ProcessMark;
  readonly role: Role;
}

const ownedName = createOwnerPattern('\\.(?<key>.+)\\.partial-', '-\\d+-\\d+(?<role>-old|-removed|)');
/** Names of earlier versions hold a process id alone. */
const formerName = /^\.(?<key>.+)\.partial-(?<pid>\d+)-[\d-]+?(?<role>-old|)$/s;
/** Bytes of a name that still leave room for the rest. */
const maxNameBytes = 120;
let temporaryFolders = 0;

/** The part of a temporary name that stands for the final name. */
export const getFolderKey = (name: string): string =>
  Buffer.byteLength(name) <= maxNameBytes
    ? name
    : createHash('sha256').update(name).digest('hex').slice(0, 32);

/** A new temporary name for the folder `name`: `.<name>.partial-<owner>-<thread>-<n>`. */
export const createFolderName = (name: string, role: Role = ''): string =>
  `.${getFolderKey(name)}.partial-${formatOwner(markOwnProcess())}-${threadId}-${temporaryFolders++}${role}`;

export const toReplacedName = (path: string): string => `${path}-old`;

/**
 * Removes a folder that was replaced. It gets a name that nothing restores first: after a power failure, a part of its
 * files may be gone while it is still there.
 */
export async function removeReplacedFolder(path: string): Promise<void> {
  const removed = path.replace(/-old$/, '-removed');
  await rename(path, removed);
  await syncFolder(dirname(path));
  await rm(removed, { recursive: true, force: true, maxRetries: 3 });
}

function parseFolderName(entry: string): TemporaryFolder | undefined {
  const owned = ownedName.exec(entry)?.groups;
  const owner = parseOwner(owned?.['owner'] ?? '');
  if (owned && owner) return { key: owned['key']!, owner, role: owned['role'] as Role };
  const former = formerName.exec(entry)?.groups;
  if (!former) return undefined;
  return {
    key: former['key']!,
    owner: { pid: Number(former['pid']), born: null },
    role: former['role'] as Role,
  };
}

/** The final name of a folder that is being replaced, from its temporary name; undefined for any other name. */
export function getReplacedName(entry: string): string | undefined {
  const parsed = parseFolderName(entry);
  return parsed?.role === '-old' ? parsed.key : undefined;
}

/** The temporary folders of dead processes among the entries of `parent`, with their parsed names. */
function findStale(
  parent: string,
  entries: readonly string[],
  key: string | undefined,
): readonly (TemporaryFolder & { readonly path: string })[] {
  return entries.flatMap((entry) => {
    const parsed = parseFolderName(entry);
    if (!parsed || (key !== undefined && parsed.key !== key)) return [];
    const path = join(parent, entry);
    const time = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    return judgeProcess(parsed.owner, { key: path, time }) === 'dead' ? [{ ...parsed, path }] : [];
  });
}

/**
 * Gives a folder its name back if the process that was replacing it died between its two renames. Synchronous,
 * because readers need it before they choose what to load.
 */
export function restoreReplacedFolder(target: string): boolean {
  const parent = dirname(target);
  if (existsSync(target) || !existsSync(parent)) return false;
  const stale = findStale(parent, readdirSync(parent), getFolderKey(basename(target)));
  const replaced = stale.find(({ role }) => role === '-old');
  if (!replaced) return false;
  try {
    renameSync(replaced.path, target);
    return true;
  } catch {
    // Another process has restored it, or has written a new one.
    return false;
  }
}

/**
 * Restores and removes the temporary folders that dead processes left in `parent`; with `name`, only those of that
 * folder. Returns the removed paths. What cannot be removed now stays for the next time.
 */
export async function removeStaleFolders(parent: string, name?: string): Promise<readonly string[]> {
  const key = name === undefined ? undefined : getFolderKey(name);
  const stale = findStale(parent, await readdir(parent), key);
  for (const folder of stale) {
    if (folder.role !== '-old') continue;
    // Without `name`, the key of a long name does not tell what to restore.
    const target = name ?? (Buffer.byteLength(folder.key) <= maxNameBytes ? folder.key : undefined);
    if (target !== undefined && restoreReplacedFolder(join(parent, target))) await syncFolder(parent);
  }
  const removed: string[] = [];
  for (const { path, role, key: ownKey } of stale) {
    const target = name ?? ownKey;
    if (role === '-old' && !existsSync(join(parent, target))) continue;
    const removing =
      role === '-old'
        ? removeReplacedFolder(path)
        : rm(path, { recursive: true, force: true, maxRetries: 3 });
    const isRemoved = await removing.then(
      () => true,
      () => false,
    );
    if (isRemoved && !existsSync(path)) removed.push(path);
  }
  return removed;
}
