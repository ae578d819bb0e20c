/** @file Whether a run is alive: a mark with the process and its heartbeat, never a flag that a dead process left behind. */
import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { refuse } from '../base/errors.ts';
import { isAlive, readObject, writeJson, writing } from './files.ts';

export type Activity = 'preparing' | 'running' | 'pausing' | 'stopped';
export interface RunMark {
  readonly pid: number;
  readonly state: Activity;
  /** Milliseconds since 1970. */
  readonly heartbeat: number;
  /** The process said its last line, a `stopped` event, before it let the run go. */
  readonly told: boolean;
}

/** A heartbeat older than this belongs to a process that hangs, or whose number another one has now. One step may block for long. */
const stale = 10 * 60_000;
const beat = 2000;

/** state.json of a run; null when there is none, or none that can be read. */
export async function readMark(dir: string): Promise<RunMark | null> {
  const mark = await readObject(join(dir, 'state.json')).catch(() => null);
  return mark !== null && typeof mark['pid'] === 'number' && typeof mark['heartbeat'] === 'number' ? (mark as unknown as RunMark) : null;
}

export const writeMark = (dir: string, state: Activity, told = false): Promise<void> =>
  writeJson(join(dir, 'state.json'), { pid: process.pid, state, heartbeat: Date.now(), told } satisfies RunMark);

/** What a live process is doing with the run, or null when none is. */
export async function activityOf(dir: string): Promise<RunMark | null> {
  const mark = await readMark(dir);
  return mark !== null && mark.state !== 'stopped' && isAlive(mark.pid) && Date.now() - mark.heartbeat < stale ? mark : null;
}

/** Holds a run for this process: one trainer at a time. Beats until it is released. */
export interface Hold { setState(state: Activity): Promise<void>; release(told: boolean): Promise<void> }

export async function holdRun(dir: string): Promise<Hold> {
  const path = join(dir, 'lock');
  for (let attempt = 0; ; attempt++) {
    try {
      await writing(path, () => writeFile(path, String(process.pid), { flag: 'wx' }));
      break;
    } catch (error) {
      if ((error as { code?: string }).code !== 'file/exists') throw error;
      if (attempt > 2 || await isHeld(path)) refuse('run/already-running', { run: basename(dir) });
      await rm(path, { force: true });
    }
  }
  let state: Activity = 'preparing', busy: Promise<void> = Promise.resolve(), over = false, said = false;
  const mark = (): Promise<void> => (busy = busy.catch(() => undefined).then(() => writeMark(dir, state, said)));
  const timer = setInterval(() => {
    if (over) return;
    mark().then(() => utimes(path, new Date(), new Date())).catch(() => undefined);      // a missed beat is not the run's end; the next one tells
  }, beat);
  timer.unref();
  await mark();
  return {
    setState(next) { state = next; return mark(); },
    async release(told) {
      over = true;
      said = told;
      clearInterval(timer);
      state = 'stopped';
      try { await mark(); } catch (error) { await rm(join(dir, 'state.json'), { force: true }); throw error; } finally { await rm(path, { force: true }); }   // a full disk takes no mark; none is true, the old one is not
    },
  };
}

async function isHeld(path: string): Promise<boolean> {
  const pid = Number(await readFile(path, 'utf8').catch(() => '')), found = await stat(path).catch(() => undefined);
  return found !== undefined && isAlive(pid) && Date.now() - found.mtimeMs < stale;
}
