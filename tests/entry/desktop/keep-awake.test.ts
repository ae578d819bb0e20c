import { expect, it, vi } from 'vitest';
import { fake } from './fake-electron.ts';

vi.mock('electron', async () => (await import('./fake-electron.ts')).electron);
import type { Activity } from '../../../src-main/contract/activity.ts';
import type { JobSummary, RunSummary } from '../../../src-main/contract/schema.ts';
import type { Service } from '../../../src-main/contract/service.ts';
import { keepAwake } from '../../../src-main/entry/desktop/keep-awake.ts';

const run = (state: RunSummary['state']): RunSummary =>
  ({ id: 'a', name: 'Oak', state, step: 5, steps: 10, loss: 1.25 }) as RunSummary;
const job: JobSummary = { id: 'j', kind: 'grow', title: 'Growing oak', state: 'running', started: '' };

it('blocks sleep from the first work to the end of the last', async () => {
  const blocked: boolean[] = [];
  const activities: readonly Activity[] = [
    { jobs: [], runs: [] },
    { jobs: [job] },
    { runs: [run('running')] },
    { jobs: [] },
    { runs: [run('paused')] },
    { runs: [run('running')] },
  ];
  const api = {
    async *activity() {
      for (const activity of activities) {
        yield activity;
        blocked.push(fake.blockers.size > 0);
      }
      await Promise.resolve();
    },
  } as unknown as Service;
  await keepAwake(api);
  expect(blocked).toEqual([false, true, true, true, false, true]);
  expect([...fake.blockers.values()]).toEqual(['prevent-app-suspension']);
});
