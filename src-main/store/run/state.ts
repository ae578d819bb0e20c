/**
 * @file Whether a run is alive: a mark with the process and its heartbeat, never a flag that a dead process
 * left behind.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { readObject, writeJson, writing } from '../fs/files.ts';
import { bornOf, lives } from '../fs/process-life.ts';

export type Activity = 'preparing' | 'running' | 'pausing' | 'stopped';
export interface RunMark {
  readonly pid: number;
  /** When that process began, as its system counts; null where it does not tell. */
  readonly born: string | null;
  readonly state: Activity;
  /** Milliseconds since 1970. */
  readonly heartbeat: number;
  /** The process said its last line, a `stopped` event, before it let the run go. */
  readonly told: boolean;
}

/** Milliseconds between two beats. */
const beat = 2000;

/** state.json of a run; null when there is none, or none that can be read. */
export async function readMark(dir: string): Promise<RunMark | null> {
  const mark = await readObject(join(dir, 'state.json')).catch(() => null);
  return mark !== null && typeof mark['pid'] === 'number' && typeof mark['heartbeat'] === 'number'
    ? ({ born: null, ...mark } as unknown as RunMark)
    : null;
}

export const writeMark = (dir: string, state: Activity, told = false): Promise<void> =>
  writeJson(join(dir, 'state.json'), {
    pid: process.pid,
    born: bornOf(process.pid),
    state,
    heartbeat: Date.now(),
    told,
  } satisfies RunMark);

/** What a live process is doing with the run, or null when none is. */
export async function activityOf(dir: string): Promise<RunMark | null> {
  const mark = await readMark(dir);
  return mark !== null && mark.state !== 'stopped' && lives(mark, { of: dir, beats: mark.heartbeat })
    ? mark
    : null;
}

/** Holds a run for this process: one trainer at a time. Beats until it is released. */
export interface Hold {
  setState(state: Activity): Promise<void>;
  release(told: boolean): Promise<void>;
}

export async function holdRun(dir: string): Promise<Hold> {
  const path = join(dir, 'lock');
  for (let attempt = 0; ; attempt++) {
    try {
      await writing(path, () =>
        writeFile(path, JSON.stringify({ pid: process.pid, born: bornOf(process.pid) }), { flag: 'wx' }),
      );
      break;
    } catch (error) {
      if ((error as { code?: string }).code !== 'file/exists') throw error;
      if (attempt > 2 || (await isHeld(dir, path))) refuse('run/already-running', { run: basename(dir) });
      await rm(path, { force: true });
    }
  }
  let state: Activity = 'preparing';
  let busy: Promise<void> = Promise.resolve();
  let over = false;
  let said = false;
  const mark = (): Promise<void> =>
    (busy = busy.catch(() => undefined).then(() => writeMark(dir, state, said)));
  const timer = setInterval(() => {
    if (over) return;
    mark().catch(() => undefined); // a missed beat is not the run's end; the next one tells
  }, beat);
  timer.unref();
  await mark();
  return {
    setState(next) {
      state = next;
      return mark();
    },
    async release(told) {
      over = true;
      said = told;
      clearInterval(timer);
      state = 'stopped';
      try {
        await mark();
      } catch (error) {
        await rm(join(dir, 'state.json'), { force: true });
        throw error;
      } finally {
        await rm(path, { force: true });
      } // a full disk takes no mark; none is true, the old one is not
    },
  };
}

/**
 * Whether the process that made the lock is still there; where its system does not tell when it began, its
 * beats in state.json say.
 */
async function isHeld(dir: string, path: string): Promise<boolean> {
  let holder: { pid?: unknown; born?: unknown };
  try {
    holder = JSON.parse(await readFile(path, 'utf8')) as typeof holder;
  } catch {
    return false;
  } // gone, or cut off by a kill
  const { pid, born } = holder;
  const mark = await readMark(dir);
  return (
    typeof pid === 'number' &&
    lives(
      { pid, born: typeof born === 'string' ? born : null },
      { of: path, beats: mark?.pid === pid ? mark.heartbeat : 0 },
    )
  );
}
