/**
 * @file Long work that belongs to the service and not to a window: it goes on when its watchers leave, and
 * whoever comes later sees it from its start.
 */
import { randomUUID } from 'node:crypto';
import { AppError, appError, dataOf, refuse } from '../base/errors.ts';
import { queue, type Queue } from '../base/queue.ts';
import { aborter, type AbortSignalLike } from '../base/signals.ts';
import type { JobCard } from '../contract/schema.ts';

interface Job {
  card: JobCard;
  readonly events: unknown[];
  readonly watchers: Set<Queue<unknown>>;
  readonly cancel: () => void;
  readonly over: Promise<void>;
}

export interface Jobs {
  /**
   * Starts `work`, which pushes its events and ends when it is done, or throws. Of events in a row with the
   * same `latest`, only the last is kept for who comes later.
   */
  start<E>(
    kind: JobCard['kind'],
    title: string,
    work: (push: (event: E, latest?: string) => void, signal: AbortSignalLike) => Promise<void>,
  ): JobCard;
  /** All events from the first on, then live, to the job's end or error. */
  follow<E>(id: string, signal?: AbortSignalLike): AsyncIterable<E>;
  list(): readonly JobCard[];
  /** Settles when the job has ended, whether it heard of this in time or not. */
  cancel(id: string): Promise<void>;
  running(): number;
  cancelAll(): Promise<void>;
}

/** How many ended jobs are remembered with their events. */
const remembered = 50;

export function createJobs(): Jobs {
  const jobs = new Map<string, Job>();
  const find = (id: string): Job => jobs.get(id) ?? refuse('job/not-found', { job: id });
  const cancel = async (id: string): Promise<void> => {
    const job = find(id);
    job.cancel();
    await job.over;
  };

  return {
    start<E>(
      kind: JobCard['kind'],
      title: string,
      work: (push: (event: E, latest?: string) => void, signal: AbortSignalLike) => Promise<void>,
    ) {
      const { signal, abort } = aborter();
      const events: unknown[] = [];
      const watchers = new Set<Queue<unknown>>();
      let last: string | undefined;
      const push = (event: E, latest?: string): void => {
        if (latest !== undefined && latest === last) events.pop();
        last = latest;
        events.push(event);
        for (const watcher of watchers) watcher.push(event);
      };
      const card: JobCard = {
        id: randomUUID(),
        kind,
        title,
        state: 'running',
        started: new Date().toISOString(),
      };
      const over = work(push, signal)
        .then(
          () => {
            job.card = { ...card, state: 'done' };
            for (const watcher of watchers) watcher.end();
          },
          (thrown: unknown) => {
            const error = signal.aborted ? appError('cancelled', { what: title }).toData() : dataOf(thrown);
            job.card = { ...card, state: error.code === 'cancelled' ? 'cancelled' : 'failed', error };
            for (const watcher of watchers) watcher.fail(new AppError(error.code, error.detail));
          },
        )
        .then(() => {
          watchers.clear();
          forget(jobs);
        });
      const job: Job = { card, events, watchers, cancel: abort, over };
      jobs.set(card.id, job);
      return card;
    },

    follow<E>(id: string, signal?: AbortSignalLike) {
      const { events, watchers, card } = find(id);
      const watcher: Queue<unknown> = queue(() => {
        watchers.delete(watcher);
      });
      for (const event of events) watcher.push(event);
      if (card.state === 'running') watchers.add(watcher);
      else if (card.error) watcher.fail(new AppError(card.error.code, card.error.detail));
      else watcher.end();
      signal?.addEventListener(
        'abort',
        () => {
          void watcher.return?.();
        },
        { once: true },
      );
      return watcher as Queue<E>;
    },

    list: () => [...jobs.values()].map((job) => job.card).reverse(),
    cancel,
    running: () => [...jobs.values()].filter((job) => job.card.state === 'running').length,
    async cancelAll() {
      await Promise.all(
        [...jobs].filter(([, job]) => job.card.state === 'running').map(([id]) => cancel(id)),
      );
    },
  };
}

/** Drops the oldest ended jobs beyond what is remembered. */
function forget(jobs: Map<string, Job>): void {
  const ended = [...jobs].filter(([, job]) => job.card.state !== 'running');
  for (const [id] of ended.slice(0, Math.max(0, ended.length - remembered))) jobs.delete(id);
}
