/**
 * @file Whether a run is alive: state.json names the process and its heartbeat, and the lock makes it the only one.
 * A flag alone would outlive a killed process.
 */
import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { refuse } from '../../base/errors.ts';
import { readJsonObject, writeJson } from '../fs/files.ts';
import { briefNote, readLockOwner, takeLock, type Lock, type LockOwner } from '../fs/lock.ts';
import { judgeProcess, markOwnProcess, type ProcessMark, type Verdict } from '../fs/process.ts';

export type Activity = 'preparing' | 'running' | 'pausing' | 'stopped';

/** state.json of a run. */
export interface RunMark extends ProcessMark {
  readonly state: Activity;
  /** Milliseconds since 1970. */
  readonly heartbeat: number;
  /** True if the process wrote the last event, `stopped`, before it released the run. */
  readonly hasStopped: boolean;
}

const heartbeatMilliseconds = 2000;
/** Milliseconds between two looks at a process on another machine. */
const lookMilliseconds = 500;
const stateFile = (dir: string): string => join(dir, 'state.json');
const lockFile = (dir: string): string => join(dir, 'lock');

/** Versions before `system` had no such field, and version 1 called `hasStopped` `told`. */
const storedMark = z.object({
  pid: z.number().int(),
  born: z.string().nullable().default(null),
  system: z.string().optional(),
  machine: z.string().nullable().optional(),
  state: z.enum(['preparing', 'running', 'pausing', 'stopped']),
  heartbeat: z.number(),
  hasStopped: z.boolean().optional(),
  told: z.boolean().optional(),
});

/** The mark of a run; null if there is none that can be read. */
export async function readMark(dir: string): Promise<RunMark | null> {
  const parsed = storedMark.safeParse(await readJsonObject(stateFile(dir)).catch(() => null));
  if (!parsed.success) return null;
  const { told, hasStopped = told ?? false, ...mark } = parsed.data;
  return { ...mark, hasStopped } as RunMark;
}

export const writeMark = (dir: string, state: Activity, hasStopped = false): Promise<void> =>
  writeJson(
    stateFile(dir),
    { ...markOwnProcess(), state, heartbeat: Date.now(), hasStopped } satisfies RunMark,
    { isDurable: false },
  );

interface Activeness {
  readonly mark: RunMark;
  readonly verdict: Verdict;
}

/** The mark of a process that is not known to be dead, and the verdict on it. */
async function readActiveMark(dir: string): Promise<Activeness | null> {
  const mark = await readMark(dir);
  if (mark === null || mark.state === 'stopped') return null;
  const verdict = judgeProcess(mark, { key: dir, time: mark.heartbeat });
  return verdict === 'dead' ? null : { mark, verdict };
}

/** The mark of the live process that works on the run, or null. */
export const activityOf = async (dir: string): Promise<RunMark | null> =>
  (await readActiveMark(dir))?.mark ?? null;

/** As `activityOf`. A process on another machine or in another container is watched until it is clear. */
export async function watchActivity(dir: string): Promise<RunMark | null> {
  for (;;) {
    const active = await readActiveMark(dir);
    if (active?.verdict !== 'unknown') return active?.mark ?? null;
    await wait(lookMilliseconds);
  }
}

/** The note of the lock of a process that trains the run. */
const trainingNote = 'training';

/** The process that trains the run, which is an engine; undefined while none has locked it for that. */
export async function readTrainer(dir: string): Promise<LockOwner | undefined> {
  const owner = await readLockOwner(lockFile(dir));
  return owner?.note === trainingNote && owner.verdict !== 'dead' ? owner : undefined;
}

/** A run that this process has locked. The heartbeat continues until it is released. */
export interface Hold {
  setState(state: Activity): Promise<void>;
  /** Throws `run/taken-over` if another process has taken the run, because this one was silent for too long. */
  check(): Promise<void>;
  release(hasStopped: boolean): Promise<void>;
}

/** Locks a run for this process. Throws `run/already-running`. */
const lockRun = async (dir: string, note: string): Promise<Lock> =>
  (await takeLock(lockFile(dir), { note })) ?? refuse('run/already-running', { run: basename(dir) });

/** Runs `work`, which is short, while no other process can work on the run. Throws `run/already-running`. */
export async function withRunLock<T>(dir: string, work: () => Promise<T>): Promise<T> {
  const lock = await lockRun(dir, briefNote);
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

/** Locks a run for this process and marks it as prepared by it. Throws `run/already-running`. */
export async function holdRun(dir: string): Promise<Hold> {
  const lock = await lockRun(dir, trainingNote);
  let state: Activity = 'preparing';
  let writing: Promise<void> = Promise.resolve();
  let isReleased = false;
  let isLost = false;
  let hasStopped = false;
  const check = async (): Promise<void> => {
    isLost ||= !(await lock.isHeld());
    if (isLost) refuse('run/taken-over', { run: basename(dir) });
  };
  const beat = (): Promise<void> => {
    writing = writing
      .catch(() => undefined)
      .then(async () => {
        await check();
        await writeMark(dir, state, hasStopped);
      });
    return writing;
  };
  const timer = setInterval(() => {
    // A missed beat does not end the run; the next one follows.
    if (!isReleased) beat().catch(() => undefined);
  }, heartbeatMilliseconds);
  timer.unref();
  try {
    await beat();
  } catch (error) {
    clearInterval(timer);
    await lock.release();
    throw error;
  }
  return {
    setState(next) {
      state = next;
      return beat();
    },
    check,
    async release(stopped) {
      isReleased = true;
      hasStopped = stopped;
      clearInterval(timer);
      state = 'stopped';
      try {
        await beat();
      } catch (error) {
        // A full disk takes no mark. No mark is true, the old one is not.
        if (!isLost) await rm(stateFile(dir), { force: true });
        throw error;
      } finally {
        await lock.release();
      }
    },
  };
}
