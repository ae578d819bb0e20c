import { describe, expect, it } from 'vitest';
import { noticesOf, progressOf, type Seen } from '../../src-main/contract/notices.ts';
import type { JobCard, RunCard } from '../../src-main/contract/schema.ts';

const run = (state: RunCard['state'], step = 5): RunCard =>
  ({ id: 'a', name: 'Oak', state, step, steps: 10, loss: 1.25 }) as RunCard;
const job = (state: JobCard['state']): JobCard => ({
  id: 'j',
  kind: 'grow',
  title: 'Growing oak',
  state,
  started: '',
});
const nothing: Seen = { jobs: [], runs: [] };

describe('notices', () => {
  it('tell of work that was under way and has ended, and of nothing that was over before', () => {
    expect(noticesOf(nothing, { runs: [run('finished')], jobs: [job('done')] }).notices).toEqual([]);
    const { seen } = noticesOf(nothing, { runs: [run('running')], jobs: [job('running')] });
    const { notices } = noticesOf(seen, { runs: [run('finished', 10)], jobs: [job('failed')] });
    expect(notices).toEqual([
      { title: 'Oak has finished', body: 'Step 10 of 10, loss 1.250', route: '#/run?id=a' },
      { title: 'Growing oak', body: 'Failed', route: '#/growing?id=j' },
    ]);
    for (const state of ['failed', 'interrupted'] as const)
      expect(noticesOf(seen, { runs: [run(state)] }).notices).toHaveLength(1);
    for (const state of ['paused', 'pausing'] as const)
      expect(noticesOf(seen, { runs: [run(state)] }).notices).toEqual([]); // somebody asked for it
  });
});

it('progress is the mean share of the runs under way', () => {
  expect(progressOf(nothing)).toBeNull();
  expect(progressOf({ jobs: [job('running')], runs: [run('finished')] })).toBe('unknown');
  expect(progressOf({ jobs: [], runs: [run('running', 2), { ...run('running', 8), id: 'b' }] })).toBeCloseTo(
    0.5,
  );
});
