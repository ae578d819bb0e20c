/**
 * @file queue.json of Cambium's own folder: the runs that wait for a device, in their order, and the devices that are
 * held. Every process of this computer reads and changes the same file.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { deviceKinds, type DeviceKind } from '../../base/device.ts';
import type { ErrorData } from '../../base/errors.ts';
import { resumeChanges, type ResumeChanges } from '../../train/resume.ts';
import { withLock } from '../fs/lock.ts';
import { readStored, updateStored } from './stored-list.ts';

/** A run that waits, or another kind of work. */
export interface WaitingRun {
  /** Absent for a run. */
  readonly kind?: 'bakeoff' | 'tuning';
  /** Its folder, which need not exist any more. */
  readonly dir: string;
  readonly device: DeviceKind;
  /** When it was added, ISO 8601. */
  readonly added: string;
  /** What changes when it starts. */
  readonly resume?: ResumeChanges;
  /** Why it could not be started. The runs behind it start before it. */
  readonly error?: ErrorData;
}

export interface StoredQueue {
  readonly version: 1;
  readonly waiting: readonly WaitingRun[];
  /** Devices on which no waiting run starts. */
  readonly held: readonly DeviceKind[];
  /** The GPU of each run that trains, by its folder, on a computer with several. */
  readonly gpus?: Readonly<Record<string, string>>;
}

const errorData = z.custom<ErrorData>(
  (value) => typeof value === 'object' && value !== null && typeof (value as ErrorData).code === 'string',
);
const storedQueue: z.ZodType<StoredQueue> = z.object({
  version: z.literal(1),
  waiting: z.array(
    z.object({
      kind: z.enum(['bakeoff', 'tuning']).exactOptional(),
      dir: z.string().min(1),
      device: z.enum(deviceKinds),
      added: z.string(),
      resume: resumeChanges.exactOptional(),
      error: errorData.exactOptional(),
    }),
  ),
  held: z.array(z.enum(deviceKinds)),
  gpus: z.record(z.string(), z.string()).exactOptional(),
});

const emptyQueue: StoredQueue = { version: 1, waiting: [], held: [] };
const queueFile = (home: string): string => join(home, 'queue.json');

export const readQueue = async (home: string): Promise<StoredQueue> =>
  (await readStored(queueFile(home), storedQueue)) ?? emptyQueue;

/** Replaces the queue. Updates of several processes run one after the other. */
export const updateQueue = (home: string, change: (before: StoredQueue) => StoredQueue): Promise<void> =>
  updateStored(queueFile(home), storedQueue, (before = emptyQueue) => change(before));

/** Runs `work` while no other process decides whether a run starts or waits. */
export const withQueueLock = <T>(home: string, work: () => Promise<T>): Promise<T> =>
  withLock(join(home, 'queue-start'), work);

export type QueuePlace = 'first' | 'last';
export type QueueMove = 'first' | 'up' | 'down' | 'last';

/** The runs with `run` before or behind all others; it leaves the place that it had. */
export function placeRun(
  waiting: readonly WaitingRun[],
  run: WaitingRun,
  place: QueuePlace,
): readonly WaitingRun[] {
  const others = waiting.filter(({ dir }) => dir !== run.dir);
  return place === 'first' ? [run, ...others] : [...others, run];
}

/** The runs with the one in `dir` moved among those of its device. A run that could not start is tried again. */
export function moveRun(waiting: readonly WaitingRun[], dir: string, move: QueueMove): readonly WaitingRun[] {
  const found = waiting.find((run) => run.dir === dir);
  if (!found) return waiting;
  const { kind, dir: folder, device, added, resume } = found;
  const common = { dir: folder, device, added };
  const run: WaitingRun = { ...(kind ? { kind } : {}), ...common, ...(resume ? { resume } : {}) };
  if (move === 'first' || move === 'last') return placeRun(waiting, run, move);
  const sameDevice = waiting.filter((one) => one.device === device);
  const index = sameDevice.indexOf(found);
  const other = sameDevice[index + (move === 'up' ? -1 : 1)];
  return waiting.map((one) => {
    if (one === found) return other ?? run;
    return one === other ? run : one;
  });
}
