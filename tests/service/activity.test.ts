import { describe, expect, it } from 'vitest';
import { mergeRuns, type Activity } from '../../src-main/contract/activity.ts';
import type { DeviceQueue } from '../../src-main/contract/queue.ts';
import type { JobSummary, RunSummary } from '../../src-main/contract/schema.ts';
import { createActivityFeed } from '../../src-main/service/activity.ts';

const run = (id: string, step: number, state: RunSummary['state'] = 'running'): RunSummary =>
  ({ id, step, state }) as RunSummary;
const job: JobSummary = { id: 'j', kind: 'grow', title: 'Growing', state: 'running', started: '' };

/** A feed of lists that the test changes. `polls` counts how often all runs were read. */
function createTestFeed() {
  const state = {
    jobs: [] as JobSummary[],
    runs: [run('a', 1), run('b', 9, 'finished')],
    polls: 0,
    fails: false,
    queue: [] as DeviceQueue[],
  };
  const subscribe = createActivityFeed({
    jobs: () => state.jobs,
    runs() {
      state.polls++;
      return state.fails ? Promise.reject(new Error('cannot read')) : Promise.resolve([...state.runs]);
    },
    run: (id) => Promise.resolve(state.runs.find((r) => r.id === id)!),
    checkpoints: () => Promise.resolve([{ dir: '/a', name: 'a', opened: '', builtIn: false }]),
    queue: () => Promise.resolve(state.queue),
  });
  return { state, subscribe };
}

const wait = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

describe('createActivityFeed', () => {
  it('sends everything first, then only changes', async () => {
    const { state, subscribe } = createTestFeed();
    const events = subscribe()[Symbol.asyncIterator]();
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

  it('finds runs that other processes start and remove', async () => {
    const { state, subscribe } = createTestFeed();
    const early = subscribe()[Symbol.asyncIterator]();
    await early.next();
    state.runs = [run('c', 0, 'finished')];
    const late = subscribe()[Symbol.asyncIterator]();
    expect((await late.next()).value).toMatchObject({ runs: [{ id: 'c' }] });
    const change = (await early.next()).value as Activity;
    expect(change).toMatchObject({ runs: [{ id: 'c' }], gone: ['a', 'b'] });
    expect(mergeRuns([run('a', 1), run('b', 9)], change)).toEqual(state.runs);
    await Promise.all([early.return!(), late.return!()]);
  });

  it('stops polling without listeners', async () => {
    const { state, subscribe } = createTestFeed();
    const listeners = [subscribe(), subscribe()].map((events) => events[Symbol.asyncIterator]());
    await Promise.all(listeners.map((events) => events.next()));
    await Promise.all(listeners.map((events) => events.return!()));
    const { polls } = state;
    await wait(700);
    expect(state.polls).toBe(polls);
  });

  it('polls again after a poll that failed, and ends a listener whose signal aborts', async () => {
    const { state, subscribe } = createTestFeed();
    const controller = new AbortController();
    state.fails = true;
    const events = subscribe(controller.signal)[Symbol.asyncIterator]();
    const first = events.next();
    await wait(100);
    state.fails = false;
    expect((await first).value).toMatchObject({ runs: [{ id: 'a' }, { id: 'b' }] });
    controller.abort();
    expect((await events.next()).done).toBe(true);
  });
});
