import { expect, it, onTestFinished } from 'vitest';
import { createError } from '../../../src-main/base/errors.ts';
import type { JobSummary, RunEvent, RunSummary } from '../../../src-main/contract/schema.ts';
import type { Service } from '../../../src-main/contract/service.ts';
import { describeRun, followJob, followRun } from '../../../src-main/entry/node/follow.ts';
import { createOutput } from '../../../src-main/entry/node/output.ts';
import { errorCodeOf } from '../../support/test-service.ts';

it('followJob throws the error of its events, even if the job cannot be cancelled', async () => {
  const unhandled: unknown[] = [];
  const onUnhandled = (error: unknown): void => {
    unhandled.push(error);
  };
  process.on('unhandledRejection', onUnhandled);
  onTestFinished(() => {
    process.off('unhandledRejection', onUnhandled);
  });
  const closed = createError('rpc/closed', {});
  const api = { cancelJob: () => Promise.reject(closed) } as unknown as Service;
  const controller = new AbortController();
  async function* createEvents(): AsyncGenerator<number> {
    yield 1;
    controller.abort();
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
    throw closed;
  }
  const job = { id: 'a' } as JobSummary;
  const following = followJob(api, job, createEvents(), controller.signal, () => undefined);
  expect(await errorCodeOf(following)).toBe('rpc/closed');
  expect(unhandled).toEqual([]);
});

const startedAt = (step: number, time: string): RunEvent => ({
  type: 'started',
  step,
  device: 'cpu',
  deviceName: 'Chip',
  parameters: 1000,
  steps: 20,
  trainTokens: 500,
  heldOutTokens: 0,
  time,
});
const run = {
  name: 'oak',
  dir: '/runs/oak',
  state: 'finished',
  step: 20,
  steps: 20,
  tokens: 640,
} as RunSummary;

it('followRun prints nothing of the sessions before, and names the step at which a run resumes', async () => {
  const events: readonly RunEvent[] = [
    { type: 'preparing', what: 'Reading old.txt', done: 1, of: 1 },
    startedAt(0, '2026-01-01T00:00:00Z'),
    { type: 'evaluated', step: 10, loss: 3, tokens: 1 },
    { type: 'saved', step: 10, dir: 'x' },
    { type: 'stopped', step: 10, reason: 'requested', time: '2026-01-01T00:01:00Z' },
    { type: 'preparing', what: 'Reading new.txt', done: 1, of: 1 },
    startedAt(10, '2026-01-02T00:00:01Z'),
    { type: 'evaluated', step: 20, loss: 2, tokens: 1 },
    { type: 'stopped', step: 20, reason: 'finished', time: '2026-01-02T00:02:00Z' },
  ];
  const lines: string[] = [];
  const out = createOutput(false, { out: { write: () => true }, err: { write: (text) => lines.push(text) } });
  const api = {
    async *followRun() {
      yield* events;
    },
    run: async () => run,
  } as unknown as Service;
  await followRun(api, run, '2026-01-02T00:00:00Z', out, new AbortController().signal);
  const printed = lines.join('');
  expect(printed).toContain('Resumed at step 10. Training 1.00 k parameters');
  expect(printed).toContain('step 20: held-out loss 2.0000');
  expect(printed).not.toMatch(/old\.txt|step 10: |Stopped at step 10/);
});

it('describeRun has the cost once it is known', () => {
  const ran = { ...run, loss: null, heldOutLoss: null, savedStep: null };
  expect(describeRun({ ...ran, cost: 1.5 })).toContain('cost      $1.50');
  expect(describeRun({ ...ran, cost: null })).not.toContain('cost');
});
