/** @file What waits in the queue of a device: runs, bake-offs and tunings. One row of the table for each. */
import { join } from 'node:path';
import type { QueuedKind } from '../contract/queue.ts';
import { readLock } from '../store/fs/lock.ts';
import type { WaitingRun } from '../store/home/run-queue.ts';
import { readNotes } from '../store/run/notes.ts';
import { isRun, readRun } from '../store/run/runs.ts';
import { isTuning, readTuning } from '../store/run/tuning-file.ts';
import type { RunSettings } from '../train/run.ts';
import { isBakeoff, readBakeoff } from './bakeoff/bakeoff-file.ts';

interface QueuedWork {
  /** True if the folder has such work. */
  isThere(dir: string): Promise<boolean>;
  readName(dir: string): Promise<string>;
}

const queuedWork: Readonly<Record<QueuedKind, QueuedWork>> = {
  run: {
    isThere: isRun,
    async readName(dir) {
      const [run, notes] = await Promise.all([readRun(dir), readNotes(dir)]);
      return notes.name ?? run.name;
    },
  },
  bakeoff: { isThere: isBakeoff, readName: async (dir) => (await readBakeoff(dir)).name },
  tuning: { isThere: isTuning, readName: async (dir) => (await readTuning(dir)).name },
};

export const queuedWorkOf = ({ kind }: Pick<WaitingRun, 'kind'>): QueuedWork => queuedWork[kind ?? 'run'];

/** The lock of the process whose job waits for this work; it starts the work when its turn has come. */
export const waiterLock = (dir: string): string => join(dir, 'waiting');

/** The lock of the process that does the work: an engine that tunes, or the job of a bake-off. */
export const workLock = (dir: string): string => join(dir, 'lock');

export const hasWaiter = async (dir: string): Promise<boolean> =>
  (await readLock(waiterLock(dir)))?.verdict === 'alive';

/** True if a process does this work, or waits for its turn. */
export const isWorking = async (dir: string): Promise<boolean> =>
  (await readLock(workLock(dir)))?.verdict === 'alive' || (await hasWaiter(dir));

/** A bake-off or a tuning with a job. */
export interface OtherWork {
  readonly dir: string;
  readonly demand: Pick<RunSettings, 'settings'>;
}

/** The work with a job: of this process (`own`), or of another. */
export async function listWorking(
  known: readonly string[],
  own: readonly string[],
  read: (dir: string) => Promise<Pick<RunSettings, 'settings'>>,
): Promise<readonly OtherWork[]> {
  const dirs = [...new Set([...known, ...own])];
  const working = await Promise.all(dirs.map(async (dir) => own.includes(dir) || (await isWorking(dir))));
  return Promise.all(
    dirs
      .filter((_, i) => working[i])
      .map(async (dir) => {
        const { settings } = await read(dir);
        return { dir, demand: { settings } };
      }),
  );
}
