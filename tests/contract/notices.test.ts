import { describe, expect, it } from 'vitest';
import { collectNotices, averageProgress, type Seen } from '../../src-main/contract/notices.ts';
import type { JobSummary, RunSummary } from '../../src-main/contract/schema.ts';

const run = (state: RunSummary['state'], step = 5): RunSummary =>
  ({ id: 'a', name: 'Oak', state, step, steps: 10, loss: 1.25 }) as RunSummary;
const job = (state: JobSummary['state']): JobSummary => ({
  id: 'j',
  kind: 'grow',
  title: 'Growing oak',
  state,
  started: '',
});
const nothing: Seen = { jobs: [], runs: [] };

describe('collectNotices', () => {
  it('reports work that was active before and has ended', () => {
    expect(collectNotices(nothing, { runs: [run('finished')], jobs: [job('done')] }).notices).toEqual([]);
    const { seen } = collectNotices(nothing, { runs: [run('running')], jobs: [job('running')] });
    const { notices } = collectNotices(seen, { runs: [run('finished', 10)], jobs: [job('failed')] });
    expect(notices).toEqual([
      { title: 'Oak has finished', body: 'Step 10 of 10, loss 1.250', route: '#/run?id=a' },
      { title: 'Growing oak', body: 'Failed', route: '#/growing?id=j' },
    ]);
    for (const state of ['failed', 'interrupted'] as const)
      expect(collectNotices(seen, { runs: [run(state)] }).notices).toHaveLength(1);
    for (const state of ['paused', 'pausing'] as const)
      expect(collectNotices(seen, { runs: [run(state)] }).notices).toEqual([]); // the user asked for it
  });
});

it('averageProgress is the mean progress of the active runs', () => {
  expect(averageProgress(nothing)).toBeNull();
  expect(averageProgress({ jobs: [job('running')], runs: [run('finished')] })).toBe('unknown');
  expect(
    averageProgress({ jobs: [], runs: [run('running', 2), { ...run('running', 8), id: 'b' }] }),
  ).toBeCloseTo(0.5);
});
