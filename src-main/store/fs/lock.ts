/**
 * @file Lock files: let one process at a time work on something, also across containers and machines that share a
 * disk. Used for runs, lists, downloads, installations and the background server.
 *
 * A lock appears with its content, because a private file is linked to its name. Only the owner removes it, or
 * whoever holds the claim on a dead owner's lock: a lock of its own, named after the dead lock's token. The claim
 * is what keeps two processes, which both saw the dead lock, from replacing it one after the other.
 */
import { randomBytes } from 'node:crypto';
import { link, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { refuse } from '../../base/errors.ts';
import { anyJson, parseJsonIfValid } from '../../base/json.ts';
import { isNotFound, makeFolder, openRegularFileIfThere, readOrRefuse, writeOrRefuse } from './files.ts';
import {
  forgetHeartbeat,
  judgeHeartbeat,
  judgeProcess,
  markOwnProcess,
  type Heartbeat,
  type ProcessMark,
  type Verdict,
} from './process.ts';

/** Milliseconds between two heartbeats of a holder. */
const heartbeatInterval = 2000;
/** Milliseconds between two tries to take a lock: the first, and the longest. */
const retryDelay = 5;
const longestDelay = 200;
/** Milliseconds after which a lock that cannot be parsed was left by a process that died while it wrote it. */
const unreadableTimeout = 10_000;
/** Milliseconds after which a private file without content was left by a process that died. */
const unwrittenTimeout = 60_000;
/** Milliseconds between two looks at a holder after which what was seen before says nothing. */
const longestGap = 10_000;

/** The content of a lock file. */
interface Owner extends Required<ProcessMark> {
  readonly token: string;
  /** For people. */
  readonly host: string;
  /** What the holder does. */
  readonly note: string;
}

const ownerSchema = z.object({
  token: z.string().regex(/^[0-9a-f]{16}$/),
  pid: z.number().int(),
  born: z.string().nullable(),
  system: z.string(),
  machine: z.string().nullable(),
  host: z.string().default(''),
  note: z.string(),
});
/** Locks of earlier versions: `{"pid":…,"born":…}`, or a process id and a note. */
const formerSchema = z.object({ pid: z.number().int(), born: z.string().nullable().default(null) });
const formerText = /^(\d+)(?: (\S*))?$/;

/** A lock file as another process left it. */
export interface LockHolder {
  readonly note: string;
  readonly verdict: Verdict;
}

interface Found extends LockHolder {
  /** Names this lock among all that were ever at its path. */
  readonly token: string;
}

/** The process that holds a lock. */
export interface LockOwner extends LockHolder {
  readonly mark: ProcessMark;
  /** The name of its computer, or of its container; empty if an earlier version took the lock. */
  readonly host: string;
}

/** A lock that this process holds. */
export interface Lock {
  /** False once another process has taken the lock over, because this one gave no sign of life for too long. */
  isHeld(): Promise<boolean>;
  release(): Promise<void>;
}

/** Bytes of the longest lock file. */
const maxBytes = 100_000;

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? '';

/** Reads a lock file and the time of its last heartbeat; undefined when there is none. */
async function readLockFile(
  path: string,
): Promise<{ readonly text: string; readonly time: number } | undefined> {
  // Opened before its time is read, so that a network file system asks its server.
  const opened = await openRegularFileIfThere(path, maxBytes);
  if (!opened) return undefined;
  const { file } = opened;
  try {
    const { mtimeMs } = await file.stat();
    return { text: await file.readFile('utf8'), time: mtimeMs };
  } finally {
    await file.close();
  }
}

interface ParsedOwner extends ProcessMark {
  readonly token: string;
  readonly host: string;
  readonly note: string;
}

function parseOwner(text: string): ParsedOwner | undefined {
  const value = parseJsonIfValid(text, anyJson);
  const owner = ownerSchema.safeParse(value);
  if (owner.success) return owner.data;
  const former = formerSchema.safeParse(value);
  if (former.success) return { ...former.data, token: `former-${former.data.pid}`, host: '', note: '' };
  const [, pid, note = ''] = formerText.exec(text.trim()) ?? [];
  if (pid === undefined) return undefined;
  return { pid: Number(pid), born: null, token: `former-${pid}`, host: '', note };
}

/** The owner that the lock file at `path` names, and its last heartbeat; undefined when there is no file. */
async function readOwner(
  path: string,
): Promise<{ owner: ParsedOwner | undefined; heartbeat: Heartbeat } | undefined> {
  const file = await readOrRefuse(path, () => readLockFile(path));
  return file && { owner: parseOwner(file.text), heartbeat: { key: path, time: file.time } };
}

async function inspect(path: string): Promise<Found | undefined> {
  const found = await readOwner(path);
  if (!found) {
    forgetHeartbeat(path);
    return undefined;
  }
  const { owner, heartbeat } = found;
  if (!owner) return { token: 'unreadable', note: '', verdict: judgeHeartbeat(heartbeat, unreadableTimeout) };
  return { token: owner.token, note: owner.note, verdict: judgeProcess(owner, heartbeat) };
}

/** Who holds the lock at `path`, or held it when it died; undefined when nobody does. */
export const readLock = (path: string): Promise<LockHolder | undefined> => inspect(path);

/** The process that holds the lock at `path`; undefined when none does, or when the lock names none. */
export async function readLockOwner(path: string): Promise<LockOwner | undefined> {
  const found = await readOwner(path);
  if (!found?.owner) return undefined;
  const { owner, heartbeat } = found;
  return { mark: owner, host: owner.host, note: owner.note, verdict: judgeProcess(owner, heartbeat) };
}

const formatOwnerText = (owner: Owner): string => `${JSON.stringify(owner)}\n`;
const privatePath = (path: string, { token }: Owner): string => `${path}.${token}.new`;

/** Creates a lock file with its content. False when there is one. */
async function create(path: string, owner: Owner): Promise<boolean> {
  const own = privatePath(path, owner);
  try {
    await writeFile(own, formatOwnerText(owner), { flag: 'wx' });
    return await linkOrCreate(own, path, owner);
  } finally {
    await rm(own, { force: true });
  }
}

async function linkOrCreate(own: string, path: string, owner: Owner): Promise<boolean> {
  try {
    await link(own, path);
    return true;
  } catch (error) {
    const code = codeOf(error);
    // A network file system may report an error for a link that it has made.
    if ((await stat(own)).nlink === 2) return true;
    if (code === 'EEXIST') return false;
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(code)) throw error;
  }
  // This file system has no links: for a moment, the lock is there without its content.
  return writeFile(path, formatOwnerText(owner), { flag: 'wx' }).then(
    () => true,
    (error: unknown) => {
      if (codeOf(error) === 'EEXIST') return false;
      throw error;
    },
  );
}

/** What is known of a lock that was not taken because others came first. */
const contended: LockHolder = { note: '', verdict: 'unknown' };

/** Takes the lock at `path`, also from a dead owner. Returns its holder otherwise. */
async function claim(path: string, owner: Owner): Promise<LockHolder | 'taken'> {
  const found = await inspect(path);
  if (!found) return (await create(path, owner)) ? 'taken' : contended;
  if (found.verdict !== 'dead') return found;
  const right = `${path}.${found.token}`;
  if ((await claim(right, owner)) !== 'taken') return contended;
  try {
    // Others may have replaced it before this process had the claim.
    if ((await inspect(path))?.token !== found.token) return contended;
    const own = privatePath(path, owner);
    await writeFile(own, formatOwnerText(owner), { flag: 'wx' });
    await rename(own, path);
    return 'taken';
  } finally {
    await rm(right, { force: true });
  }
}

const newOwner = (note: string): Owner => ({
  token: randomBytes(8).toString('hex'),
  ...markOwnProcess(),
  host: hostname(),
  note,
});

function hold(path: string, { token }: Owner): Lock {
  const isHeld = async (): Promise<boolean> => (await inspect(path))?.token === token;
  const beat = async (): Promise<void> => {
    if (!(await isHeld())) return;
    const now = new Date();
    await utimes(path, now, now);
  };
  const timer = setInterval(() => {
    // A missed beat does no harm; the next one follows.
    beat().catch(() => undefined);
  }, heartbeatInterval);
  timer.unref();
  return {
    isHeld,
    async release() {
      clearInterval(timer);
      if (await isHeld()) await rm(path, { force: true });
    },
  };
}

/** Locks that this process has taken at least once: their leftovers have been removed. */
const swept = new Set<string>();

/** True for a private file of a process that died, also before it had written it. `now` is the clock of the disk. */
async function isLeftover(path: string, now: number): Promise<boolean> {
  const found = await inspect(path);
  if (found?.token !== 'unreadable') return found?.verdict === 'dead';
  return now - (await stat(path)).mtimeMs > unwrittenTimeout;
}

/** Removes what processes that died left beside a lock: private files, and claims on locks that are gone. */
async function sweep(path: string): Promise<void> {
  swept.add(path);
  const name = basename(path);
  const { mtimeMs: now } = await stat(path);
  for (const entry of await readdir(dirname(path))) {
    const rest = entry.startsWith(name) ? entry.slice(name.length) : '';
    if (!/^(\.([0-9a-f]{16}|former-\d+|unreadable))+(\.new)?$/.test(rest)) continue;
    const leftover = join(dirname(path), entry);
    if (!rest.endsWith('.new')) {
      // A claim is a lock: only its holder may remove it.
      if ((await claim(leftover, newOwner(''))) === 'taken') await rm(leftover, { force: true });
    } else if (await isLeftover(leftover, now)) await rm(leftover, { force: true });
  }
}

/** The note of a lock that is only held for a moment, so that others wait for it. */
export const briefNote = 'brief';

export interface LockOptions {
  /** What the holder does; others can read it. */
  readonly note?: string;
  /** Creates the folder of the lock, also when another process removes it meanwhile. */
  readonly createFolder?: boolean;
  /** Ends the waiting: refuses `cancelled`. */
  readonly signal?: AbortSignal | undefined;
}

interface Attempt {
  readonly lock?: Lock;
  /** The other holder, if the lock was not taken. */
  readonly holder: LockHolder;
}

async function attempt(path: string, { note = '', createFolder = false }: LockOptions): Promise<Attempt> {
  const owner = newOwner(note);
  const take = async (): Promise<LockHolder | 'taken'> => {
    try {
      if (createFolder) await makeFolder(dirname(path));
      return await claim(path, owner);
    } catch (error) {
      // Another process has removed the folder, or a parent of it, while it was empty.
      if (createFolder && isNotFound(error)) return contended;
      throw error;
    }
  };
  const holder = await writeOrRefuse(path, take);
  if (holder !== 'taken') return { holder };
  const lock = hold(path, owner);
  if (!swept.has(path)) await sweep(path).catch(() => undefined);
  return { lock, holder: contended };
}

/** Takes the lock at `path`, or returns undefined without waiting. */
export const tryLock = async (path: string, options: LockOptions = {}): Promise<Lock | undefined> =>
  (await attempt(path, options)).lock;

/** Tries again until `isOver` says that the last attempt was enough. */
async function repeat(
  path: string,
  options: LockOptions,
  isOver: (holder: LockHolder, elapsed: number) => boolean,
): Promise<Lock | undefined> {
  const start = performance.now();
  let delay = retryDelay;
  for (let before = start; ;) {
    const now = performance.now();
    if (now - before > longestGap) forgetHeartbeat(path);
    before = now;
    if (options.signal?.aborted) refuse('cancelled', { what: 'Waiting for another process' });
    const { lock, holder } = await attempt(path, options);
    if (lock || isOver(holder, performance.now() - start)) return lock;
    // Processes that wait for the same lock should not try in step.
    await wait(delay * (0.5 + Math.random()));
    delay = Math.min(longestDelay, delay * 1.2);
  }
}

/** Milliseconds to wait for a holder that lives: it may be about to release the lock. */
const patience = 150;

/**
 * Takes the lock at `path`. Returns undefined if its holder lives. A holder on another machine or in another
 * container is watched for a heartbeat first: for a few seconds if it lives, and for two minutes if not.
 */
export const takeLock = (path: string, options: LockOptions = {}): Promise<Lock | undefined> =>
  repeat(
    path,
    options,
    ({ verdict, note }, elapsed) => verdict === 'alive' && note !== briefNote && elapsed > patience,
  );

/** Takes the lock at `path`, and waits for its holder for as long as that lives. */
export const waitForLock = async (path: string, options: LockOptions = {}): Promise<Lock> =>
  (await repeat(path, options, () => false))!;

/**
 * Runs `work` while this process holds `<path>.lock`, and waits for the lock first. Creates the folder of
 * `path`.
 */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  options: Pick<LockOptions, 'signal'> = {},
): Promise<T> {
  const lock = await waitForLock(`${path}.lock`, { ...options, createFolder: true });
  try {
    return await work();
  } finally {
    await lock.release();
  }
}
