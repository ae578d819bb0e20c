/**
 * @file Starts waiting runs when their device is free, in the one process of a computer that serves it: the server or
 * the desktop app. If there are several, whoever is first starts the run.
 */
import { AppError, toErrorData, type ErrorCode } from '../base/errors.ts';
import type { DeviceKind } from '../base/device.ts';
import type { WaitingRun } from '../store/home/run-queue.ts';
import { hasWaiter, queuedWorkOf } from './queued-work.ts';
import { readRun } from '../store/run/runs.ts';
import { needsAllGpus, type RunQueue } from './run-queue.ts';

export interface QueueStarter {
  /** Starts waiting runs from now on, until `stop`. */
  start(): void;
  /** Resolves when nothing is being started any more. */
  stop(): Promise<void>;
  isStarted(): boolean;
  /** Runs that will be started without anybody's doing. */
  countStartable(): number;
}

const pollMilliseconds = 1000;

/** Errors that say that a run need not be started any more. */
const isOver: readonly ErrorCode[] = ['run/finished', 'run/early-stopped', 'tune/finished'];
/** Errors that say that another process has started it. */
const isStartedElsewhere: readonly ErrorCode[] = [
  'run/already-running',
  'bakeoff/already-running',
  'tune/running',
];

/** `resume` starts what waits, and takes it out of the queue. */
export function createQueueStarter(
  queue: RunQueue,
  resume: (run: WaitingRun) => Promise<unknown>,
): QueueStarter {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let working: Promise<void> = Promise.resolve();
  let isStarted = false;
  let startable = 0;

  /** True if the device is taken: by this run, or by another that began meanwhile. */
  const startRun = async (run: WaitingRun): Promise<boolean> => {
    try {
      await resume(run);
      return true;
    } catch (thrown) {
      const code = thrown instanceof AppError ? thrown.code : undefined;
      if (code !== undefined && isStartedElsewhere.includes(code)) {
        await queue.remove(run.dir);
        return true;
      }
      if (code !== undefined && isOver.includes(code)) await queue.remove(run.dir);
      else await queue.setError(run.dir, toErrorData(thrown));
      return false;
    }
  };

  /** A run that needs all GPUs waits until none is taken, and those behind it wait too. */
  const hasRoom = async ({ kind, dir, device }: WaitingRun): Promise<boolean> => {
    // The start says why a run cannot be read.
    const run = kind ? undefined : await readRun(dir).catch(() => undefined);
    if (!run || !needsAllGpus(run)) return true;
    return !(await queue.busyDevices({ needsAll: true })).has(device);
  };

  const startOn = async (waiting: readonly WaitingRun[]): Promise<void> => {
    for (const run of waiting) {
      if (!isStarted) return;
      // A folder that is not there keeps its place: it may be on a disk that is not connected.
      if (run.error || !(await queuedWorkOf(run).isThere(run.dir))) continue;
      // A job of another process, or of this one, waits for the turn of this work and takes it.
      if (await hasWaiter(run.dir)) return;
      if (!(await hasRoom(run))) return;
      if (await startRun(run)) return;
    }
  };

  const startAll = async (): Promise<void> => {
    startable = await countStartable(queue);
    if (startable === 0) return;
    await queue.exclusively(async () => {
      const { waiting, held } = await queue.read();
      const busy = await queue.busyDevices();
      const isFree = (device: DeviceKind): boolean => !busy.has(device) && !held.includes(device);
      for (const device of new Set(waiting.map((run) => run.device)))
        if (isFree(device)) await startOn(waiting.filter((run) => run.device === device));
    });
  };

  const poll = (): void => {
    // A queue that cannot be read now is read again.
    working = startAll().catch(() => undefined);
    void working.then(() => {
      if (!isStarted) return;
      timer = setTimeout(poll, pollMilliseconds);
      timer.unref();
    });
  };

  return {
    start() {
      if (isStarted) return;
      isStarted = true;
      poll();
    },
    async stop() {
      isStarted = false;
      clearTimeout(timer);
      await working;
    },
    isStarted: () => isStarted,
    countStartable: () => startable,
  };
}

/** Waiting runs that can start when their device is free. */
async function countStartable(queue: RunQueue): Promise<number> {
  const { waiting, held } = await queue.read();
  const canStart = await Promise.all(
    waiting.map(
      async (run) => !run.error && !held.includes(run.device) && (await queuedWorkOf(run).isThere(run.dir)),
    ),
  );
  return canStart.filter(Boolean).length;
}
