import { describe, expect, it } from 'vitest';
import { mergeRuns, type Activity } from '../../src-main/contract/activity.ts';
import type { JobSummary, RunSummary } from '../../src-main/contract/schema.ts';
import { createActivityFeed } from '../../src-main/service/activity.ts';

const run = (id: string, step: number, state: RunSummary['state'] = 'running'): RunSummary =>
  ({ id, step, state }) as RunSummary;
const job: JobSummary = { id: 'j', kind: 'grow', title: 'Growing', state: 'running', started: '' };

function place() {
  const state = {
    jobs: [] as JobSummary[],
    runs: [run('a', 1), run('b', 9, 'finished')],
    looks: 0,
    broken: false,
  };
  const activity = createActivityFeed({
    jobs: () => state.jobs,
    runs: () => {
      state.looks++;
      return state.broken ? Promise.reject(new Error('the disk sleeps')) : Promise.resolve([...state.runs]);
    },
    run: (id) => Promise.resolve(state.runs.find((r) => r.id === id)!),
    checkpoints: () => Promise.resolve([{ dir: '/a', name: 'a', opened: '', builtIn: false }]),
  });
  return { state, activity };
}

describe('activity', () => {
  it('tells everything first, then only what changed', async () => {
    const { state, activity } = place();
    const events = activity()[Symbol.asyncIterator]();
    const next = async (): Promise<Activity> => (await events.next()).value as Activity;
    const first = await next();
    expect(first).toMatchObject({ jobs: [], runs: [{ id: 'a' }, { id: 'b' }], checkpoints: [{ dir: '/a' }] });
    state.runs[0] = run('a', 2);
    const second = await next();
    expect(second).toEqual({ runs: [run('a', 2)] });
    state.jobs = [job];
    expect(await next()).toEqual({ jobs: [job] });
    expect(mergeRuns(mergeRuns([], first), second)).toEqual([run('a', 2), run('b', 9, 'finished')]);
    await events.return!();
  });

  it('hears of runs that others start and remove, tells late listeners all, and stops looking when nobody listens', async () => {
    const { state, activity } = place();
    const early = activity()[Symbol.asyncIterator]();
    await early.next();
    state.runs = [run('c', 0, 'finished')];
    const late = activity()[Symbol.asyncIterator]();
    expect((await late.next()).value).toMatchObject({ runs: [{ id: 'c' }] });
    const change = (await early.next()).value as Activity;
    expect(change).toMatchObject({ runs: [{ id: 'c' }], gone: ['a', 'b'] });
    expect(mergeRuns([run('a', 1), run('b', 9)], change)).toEqual(state.runs);
    await Promise.all([early.return!(), late.return!()]);
    const { looks } = state;
    await new Promise((r) => {
      setTimeout(r, 700);
    });
    expect(state.looks).toBe(looks);
  });

  it('outlives a look that fails, and a listener that is aborted', async () => {
    const { state, activity } = place();
    const stop = new AbortController();
    state.broken = true;
    const events = activity(stop.signal)[Symbol.asyncIterator]();
    const waiting = events.next();
    await new Promise((r) => {
      setTimeout(r, 100);
    });
    state.broken = false;
    expect((await waiting).value).toMatchObject({ runs: [{ id: 'a' }, { id: 'b' }] });
    stop.abort();
    expect((await events.next()).done).toBe(true);
  });
});
