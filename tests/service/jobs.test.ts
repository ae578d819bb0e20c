import { describe, expect, it } from 'vitest';
import { refuse } from '../../src-main/base/errors.ts';
import { createJobs } from '../../src-main/service/jobs.ts';
import { errorCodeOf, collectAll } from '../support/test-service.ts';

const wait = (ms = 1): Promise<void> =>
  new Promise((r) => {
    setTimeout(r, ms);
  });

describe('jobs', () => {
  it('shows every watcher all of it, early and late', async () => {
    const jobs = createJobs();
    const { id } = jobs.start<number>('grow', 'Counting', async (push) => {
      for (let i = 0; i < 5; i++) {
        push(i);
        await wait();
      }
    });
    const early = collectAll(jobs.follow<number>(id));
    await wait(3);
    const middle = collectAll(jobs.follow<number>(id));
    expect(await early).toEqual([0, 1, 2, 3, 4]);
    expect(await middle).toEqual([0, 1, 2, 3, 4]);
    expect(await collectAll(jobs.follow<number>(id))).toEqual([0, 1, 2, 3, 4]);
    expect(jobs.list()).toMatchObject([{ id, state: 'done', title: 'Counting' }]);
  });

  it('keeps only the last of events in a row that replace each other; who watches hears them all', async () => {
    const jobs = createJobs();
    const { id } = jobs.start<string>('download', 'Fetching', async (push) => {
      await wait();
      push('begun');
      push('1 %', 'bytes');
      push('2 %', 'bytes');
      push('paused');
      push('3 %', 'bytes');
      push('4 %', 'bytes');
      push('done');
    });
    expect(await collectAll(jobs.follow<string>(id))).toEqual([
      'begun',
      '1 %',
      '2 %',
      'paused',
      '3 %',
      '4 %',
      'done',
    ]);
    expect(await collectAll(jobs.follow<string>(id))).toEqual(['begun', '2 %', 'paused', '4 %', 'done']);
  });

  it('goes on when a watcher leaves', async () => {
    const jobs = createJobs();
    const { id } = jobs.start<number>('grow', 'Counting', async (push) => {
      for (let i = 0; i < 5; i++) {
        push(i);
        await wait();
      }
    });
    for await (const item of jobs.follow<number>(id)) if (item === 1) break;
    expect(await collectAll(jobs.follow<number>(id))).toHaveLength(5);
  });

  it('fails its watchers, the late ones too', async () => {
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

  it('is cancelled, and the cancel settles when the work is over', async () => {
    const jobs = createJobs();
    let cleaned = false;
    const { id } = jobs.start('grow', 'Endless', async (_, signal) => {
      while (!signal.aborted) await wait();
      await wait(10);
      cleaned = true;
      refuse('cancelled', { what: 'it' });
    });
    const watcher = errorCodeOf(collectAll(jobs.follow(id)));
    await jobs.cancel(id);
    expect(cleaned).toBe(true);
    expect(await watcher).toBe('cancelled');
    expect(jobs.list()).toMatchObject([{ state: 'cancelled' }]);
    expect(jobs.running()).toBe(0);
    await jobs.cancel(id);
  });

  it('knows no other job, and forgets the oldest', async () => {
    const jobs = createJobs();
    expect(() => jobs.follow('nonsense')).toThrow(
      expect.objectContaining({ code: 'job/not-found' }) as Error,
    );
    for (let i = 0; i < 60; i++) jobs.start('grow', String(i), () => Promise.resolve());
    await wait(5);
    expect(jobs.list()).toHaveLength(50);
    expect(jobs.list()[0]!.title).toBe('59');
  });

  it('lets a waiting watcher go', async () => {
    const jobs = createJobs();
    const { id } = jobs.start('grow', 'Endless', async (_, signal) => {
      while (!signal.aborted) await wait();
    });
    const stop = new AbortController();
    const watcher = collectAll(jobs.follow(id, stop.signal));
    stop.abort();
    expect(await watcher).toEqual([]);
    await jobs.cancelAll();
  });
});
