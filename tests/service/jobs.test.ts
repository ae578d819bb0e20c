import { describe, expect, it } from 'vitest';
import { refuse } from '../../src-main/base/errors.ts';
import { createJobs, type Jobs } from '../../src-main/service/jobs.ts';
import { errorCodeOf, collectAll } from '../support/test-service.ts';

const wait = (ms = 1): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** Starts a job that pushes 0 to 4; returns its id. */
const startCounting = (jobs: Jobs): string =>
  jobs.start<number>('grow', 'Counting', async (push) => {
    for (let i = 0; i < 5; i++) {
      push(i);
      await wait();
    }
  }).id;

/** Starts a job that runs until it is cancelled, and then calls `onEnd`; returns its id. */
const startEndless = (jobs: Jobs, onEnd: () => Promise<void> | void = () => undefined): string =>
  jobs.start('grow', 'Endless', async (_, signal) => {
    while (!signal.aborted) await wait();
    await onEnd();
  }).id;

describe('follow', () => {
  it('sends all events to every follower, even to those that come late', async () => {
    const jobs = createJobs();
    const id = startCounting(jobs);
    const early = collectAll(jobs.follow<number>(id));
    await wait(3);
    const late = collectAll(jobs.follow<number>(id));
    expect(await early).toEqual([0, 1, 2, 3, 4]);
    expect(await late).toEqual([0, 1, 2, 3, 4]);
    expect(await collectAll(jobs.follow<number>(id))).toEqual([0, 1, 2, 3, 4]);
    expect(jobs.list()).toMatchObject([{ id, state: 'done', title: 'Counting' }]);
  });

  it('keeps only the last of consecutive events of a group for late followers', async () => {
    const jobs = createJobs();
    const { id } = jobs.start<string>('download', 'Downloading', async (push) => {
      await wait();
      push('begun');
      push('1 %', 'bytes');
      push('2 %', 'bytes');
      push('paused');
      push('3 %', 'bytes');
      push('4 %', 'bytes');
      push('done');
    });
    const all = ['begun', '1 %', '2 %', 'paused', '3 %', '4 %', 'done'];
    expect(await collectAll(jobs.follow<string>(id))).toEqual(all);
    expect(await collectAll(jobs.follow<string>(id))).toEqual(['begun', '2 %', 'paused', '4 %', 'done']);
  });

  it('throws the error of a failed job to early and late followers', async () => {
    const jobs = createJobs();
    const { id } = jobs.start<number>('grow', 'Failing', async (push) => {
      push(1);
      await wait();
      refuse('file/exists', { path: '/x' });
    });
    expect(await errorCodeOf(collectAll(jobs.follow(id)))).toBe('file/exists');
    expect(await errorCodeOf(collectAll(jobs.follow(id)))).toBe('file/exists');
    expect(jobs.list()).toMatchObject([{ state: 'failed', error: { code: 'file/exists' } }]);
  });

  it('ends when its signal aborts', async () => {
    const jobs = createJobs();
    const id = startEndless(jobs);
    const controller = new AbortController();
    const events = collectAll(jobs.follow(id, controller.signal));
    controller.abort();
    expect(await events).toEqual([]);
    await jobs.cancelAll();
  });
});

describe('a job', () => {
  it('continues when a follower leaves', async () => {
    const jobs = createJobs();
    const id = startCounting(jobs);
    for await (const item of jobs.follow<number>(id)) if (item === 1) break;
    expect(await collectAll(jobs.follow<number>(id))).toHaveLength(5);
  });

  it('can be cancelled, and cancel waits until its work has ended', async () => {
    const jobs = createJobs();
    let hasCleanedUp = false;
    const id = startEndless(jobs, async () => {
      await wait(10);
      hasCleanedUp = true;
      refuse('cancelled', { what: 'it' });
    });
    const follower = errorCodeOf(collectAll(jobs.follow(id)));
    await jobs.cancel(id);
    expect(hasCleanedUp).toBe(true);
    expect(await follower).toBe('cancelled');
    expect(jobs.list()).toMatchObject([{ state: 'cancelled' }]);
    expect(jobs.countRunning()).toBe(0);
    await jobs.cancel(id);
  });

  it('is kept after its end until fifty newer ones have ended', async () => {
    const jobs = createJobs();
    const unknown = expect.objectContaining({ code: 'job/not-found' }) as Error;
    expect(() => jobs.follow('nonsense')).toThrow(unknown);
    for (let i = 0; i < 60; i++) jobs.start('grow', String(i), () => Promise.resolve());
    await wait(5);
    expect(jobs.list()).toHaveLength(50);
    expect(jobs.list()[0]!.title).toBe('59');
  });
});
