/**
 * @file The turn of a bake-off or a tuning on its device. Its job waits in the queue among the runs; the entry stays
 * when its process dies, so that the server starts it again.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { refuse } from '../base/errors.ts';
import type { AbortSignalLike } from '../base/signals.ts';
import type { WaitingEvent } from '../contract/queue.ts';
import { takeLock } from '../store/fs/lock.ts';
import type { QueuePlace, WaitingRun } from '../store/home/run-queue.ts';
import { waiterLock } from './queued-work.ts';
import type { DeviceDemand, RunQueue } from './run-queue.ts';

export interface Turn {
  readonly kind: NonNullable<WaitingRun['kind']>;
  readonly dir: string;
  readonly demand: DeviceDemand;
  /** Where it waits; without a place it does not. */
  readonly place: QueuePlace | undefined;
}

export interface DeviceTurns {
  /**
   * Waits until nothing is before this work on its device, takes it out of the queue, and does it. `push` is called
   * with its position, when that changes. Throws `cancelled` when the job is cancelled, or when the entry is removed.
   */
  take(
    turn: Turn,
    signal: AbortSignalLike,
    push: (event: WaitingEvent, group: 'waiting') => void,
    work: () => Promise<void>,
  ): Promise<void>;
  /** Keeps the entries of jobs that are cancelled from now on: the next server starts them. */
  keepEntries(): void;
}

const pollMilliseconds = 500;
export function createDeviceTurns(queue: RunQueue): DeviceTurns {
  let keepsEntries = false;

  /** The position of the work among those that wait for its device; `now` if its turn has come. */
  const takeTurn = (dir: string, device: WaitingRun['device']): Promise<WaitingEvent | 'now' | 'removed'> =>
    queue.exclusively(async () => {
      const { waiting, held } = await queue.read();
      const same = waiting.filter((one) => one.device === device);
      const index = same.findIndex((one) => one.dir === dir);
      if (index < 0) return 'removed';
      // What could not be started is passed over.
      const isFirst = same.slice(0, index).every((one) => one.error !== undefined);
      if (isFirst && !held.includes(device) && !(await queue.busyDevices({ needsAll: true })).has(device)) {
        await queue.remove(dir);
        return 'now';
      }
      return { type: 'waiting', device, position: index + 1, of: same.length };
    });

  return {
    async take({ kind, dir, demand, place }, signal, push, work) {
      const device = place && (await queue.deviceOf(demand));
      if (!device) return work();
      // Held until the work is done, so that other processes see that the device is taken.
      const lock = await takeLock(waiterLock(dir), { note: 'waits for its device' });
      if (!lock) refuse(kind === 'bakeoff' ? 'bakeoff/already-running' : 'tune/running', { path: dir });
      try {
        const { waiting } = await queue.read();
        // A server that starts the work again finds it where it was.
        if (!waiting.some((one) => one.dir === dir)) await queue.add({ kind, dir, device }, place);
        let last = '';
        while (!signal.aborted) {
          const turn = await takeTurn(dir, device);
          if (turn === 'now') return await work();
          if (turn === 'removed') refuse('cancelled', { what: 'Waiting for the device' });
          const shown = JSON.stringify(turn);
          if (shown !== last) push(turn, 'waiting');
          last = shown;
          await wait(pollMilliseconds);
        }
        if (!keepsEntries) await queue.remove(dir);
        refuse('cancelled', { what: 'Waiting for the device' });
      } finally {
        await lock?.release();
      }
    },
    keepEntries() {
      keepsEntries = true;
    },
  };
}
