/**
 * @file Long work that belongs to the service and not to a window: it continues when its followers leave, and a
 * new follower gets all events from the start.
 */
import { randomUUID } from 'node:crypto';
import { AppError, createError, toErrorData, refuse } from '../base/errors.ts';
import { createQueue, type Queue } from '../base/queue.ts';
import { createAborter, type AbortSignalLike } from '../base/signals.ts';
import type { JobSummary } from '../contract/schema.ts';

/** Pushes an event. Of consecutive events with the same `group`, only the last is kept for later followers. */
type Push<E> = (event: E, group?: string) => void;

/** Pushes events until it is done, or throws. */
type Work<E> = (push: Push<E>, signal: AbortSignalLike) => Promise<void>;

export interface Jobs {
  start<E>(kind: JobSummary['kind'], title: string, work: Work<E>): JobSummary;
  /** All events so far, then live ones until the job ends. Throws the error of the job. */
  follow<E>(id: string, signal?: AbortSignalLike): AsyncIterable<E>;
  /** Newest first. */
  list(): readonly JobSummary[];
  /** Aborts the signal of the work, and settles when the job has ended. */
  cancel(id: string): Promise<void>;
  countRunning(): number;
  cancelAll(): Promise<void>;
}

interface Job {
  summary: JobSummary;
  readonly events: unknown[];
  readonly followers: Set<Queue<unknown>>;
  readonly cancel: () => void;
  readonly ended: Promise<void>;
}

/** Ended jobs that are kept with their events. */
const keptJobs = 50;

export function createJobs(): Jobs {
  const jobs = new Map<string, Job>();
  const find = (id: string): Job => jobs.get(id) ?? refuse('job/not-found', { job: id });
  const running = (): readonly Job[] => [...jobs.values()].filter((job) => job.summary.state === 'running');
  const cancel = async (job: Job): Promise<void> => {
    job.cancel();
    await job.ended;
  };
  return {
    start(kind, title, work) {
      const job = startJob(kind, title, work, () => {
        removeOldJobs(jobs);
      });
      jobs.set(job.summary.id, job);
      return job.summary;
    },
    follow<E>(id: string, signal?: AbortSignalLike) {
      return followJob(find(id), signal) as Queue<E>;
    },
    list: () => [...jobs.values()].map((job) => job.summary).reverse(),
    cancel: async (id) => cancel(find(id)),
    countRunning: () => running().length,
    async cancelAll() {
      await Promise.all(running().map(cancel));
    },
  };
}

function startJob<E>(kind: JobSummary['kind'], title: string, work: Work<E>, onEnd: () => void): Job {
  const { signal, abort } = createAborter();
  const events: unknown[] = [];
  const followers = new Set<Queue<unknown>>();
  let lastGroup: string | undefined;
  const push: Push<E> = (event, group) => {
    if (group !== undefined && group === lastGroup) events.pop();
    lastGroup = group;
    events.push(event);
    for (const follower of followers) follower.push(event);
  };
  const started = new Date().toISOString();
  const summary: JobSummary = { id: randomUUID(), kind, title, state: 'running', started };
  const succeed = (): void => {
    job.summary = { ...summary, state: 'done' };
    for (const follower of followers) follower.end();
  };
  const fail = (thrown: unknown): void => {
    const error = signal.aborted ? createError('cancelled', { what: title }).toData() : toErrorData(thrown);
    job.summary = { ...summary, state: error.code === 'cancelled' ? 'cancelled' : 'failed', error };
    for (const follower of followers) follower.fail(new AppError(error.code, error.detail));
  };
  const ended = work(push, signal)
    .then(succeed, fail)
    .then(() => {
      followers.clear();
      onEnd();
    });
  const job: Job = { summary, events, followers, cancel: abort, ended };
  return job;
}

function followJob({ events, followers, summary }: Job, signal?: AbortSignalLike): Queue<unknown> {
  const follower: Queue<unknown> = createQueue(() => {
    followers.delete(follower);
  });
  for (const event of events) follower.push(event);
  if (summary.state === 'running') followers.add(follower);
  else if (summary.error) follower.fail(new AppError(summary.error.code, summary.error.detail));
  else follower.end();
  signal?.addEventListener(
    'abort',
    () => {
      void follower.return?.();
    },
    { once: true },
  );
  return follower;
}

/** Removes the oldest ended jobs. */
function removeOldJobs(jobs: Map<string, Job>): void {
  const ended = [...jobs].filter(([, job]) => job.summary.state !== 'running');
  const surplus = Math.max(0, ended.length - keptJobs);
  for (const [id] of ended.slice(0, surplus)) jobs.delete(id);
}
