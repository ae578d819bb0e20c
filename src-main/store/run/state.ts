/**
 * @file Whether a run is alive: state.json names the process and its heartbeat. A flag alone would outlive a
 * killed process.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { readJsonObject, writeJson, writeOrRefuse } from '../fs/files.ts';
import { getProcessStart, isSameProcessAlive } from '../fs/process.ts';

export type Activity = 'preparing' | 'running' | 'pausing' | 'stopped';

/** state.json of a run. */
export interface RunMark {
  readonly pid: number;
  /** When that process began, as its system counts; null if the system does not say. */
  readonly born: string | null;
  readonly state: Activity;
  /** Milliseconds since 1970. */
  readonly heartbeat: number;
  /** True if the process wrote the last event, `stopped`, before it released the run. */
  readonly hasStopped: boolean;
}

const heartbeatMilliseconds = 2000;
const stateFile = (dir: string): string => join(dir, 'state.json');

/** The mark of a run; null if there is none that can be read. */
export async function readMark(dir: string): Promise<RunMark | null> {
  const mark = await readJsonObject(stateFile(dir)).catch(() => null);
  if (mark === null || typeof mark['pid'] !== 'number' || typeof mark['heartbeat'] !== 'number') return null;
  // `told` is the name of `hasStopped` in format version 1.
  return { born: null, hasStopped: mark['told'] === true, ...mark } as unknown as RunMark;
}

export const writeMark = (dir: string, state: Activity, hasStopped = false): Promise<void> =>
  writeJson(stateFile(dir), {
    pid: process.pid,
    born: getProcessStart(process.pid),
    state,
    heartbeat: Date.now(),
    hasStopped,
  } satisfies RunMark);

/** The mark of the live process that works on the run, or null. */
export async function activityOf(dir: string): Promise<RunMark | null> {
  const mark = await readMark(dir);
  if (mark === null || mark.state === 'stopped') return null;
  return isSameProcessAlive(mark, { key: dir, time: mark.heartbeat }) ? mark : null;
}

/** A run that this process has locked. The heartbeat continues until it is released. */
export interface Hold {
  setState(state: Activity): Promise<void>;
  release(hasStopped: boolean): Promise<void>;
}

/** Locks a run for this process. Throws `run/already-running`. */
export async function holdRun(dir: string): Promise<Hold> {
  const lock = join(dir, 'lock');
  await takeLock(dir, lock);
  let state: Activity = 'preparing';
  let writing: Promise<void> = Promise.resolve();
  let isReleased = false;
  let hasStopped = false;
  const beat = (): Promise<void> => {
    writing = writing.catch(() => undefined).then(() => writeMark(dir, state, hasStopped));
    return writing;
  };
  const timer = setInterval(() => {
    // A missed beat does not end the run; the next one follows.
    if (!isReleased) beat().catch(() => undefined);
  }, heartbeatMilliseconds);
  timer.unref();
  await beat();
  return {
    setState(next) {
      state = next;
      return beat();
    },
    async release(stopped) {
      isReleased = true;
      hasStopped = stopped;
      clearInterval(timer);
      state = 'stopped';
      try {
        await beat();
      } catch (error) {
        // On a full disk no mark can be written. A missing mark is correct, the old one is not.
        await rm(stateFile(dir), { force: true });
        throw error;
      } finally {
        await rm(lock, { force: true });
      }
    },
  };
}

const lockAttempts = 3;

async function takeLock(dir: string, lock: string): Promise<void> {
  const owner = JSON.stringify({ pid: process.pid, born: getProcessStart(process.pid) });
  for (let attempt = 1; ; attempt++) {
    try {
      await writeOrRefuse(lock, () => writeFile(lock, owner, { flag: 'wx' }));
      return;
    } catch (error) {
      if ((error as { code?: string }).code !== 'file/exists') throw error;
      if (attempt > lockAttempts || (await isHeld(dir, lock)))
        refuse('run/already-running', { run: basename(dir) });
      await rm(lock, { force: true });
    }
  }
}

/** True if the process that made the lock is alive. The heartbeat decides where its start time is unknown. */
async function isHeld(dir: string, lock: string): Promise<boolean> {
  let holder: { pid?: unknown; born?: unknown };
  try {
    holder = JSON.parse(await readFile(lock, 'utf8')) as typeof holder;
  } catch {
    // Gone, or cut off when its process was killed.
    return false;
  }
  const { pid, born } = holder;
  if (typeof pid !== 'number') return false;
  const mark = await readMark(dir);
  const time = mark?.pid === pid ? mark.heartbeat : 0;
  return isSameProcessAlive({ pid, born: typeof born === 'string' ? born : null }, { key: lock, time });
}
