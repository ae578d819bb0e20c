import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { ResumeRequest, RunSummary, RunEvent } from '../../../src-main/contract/schema.ts';
import type { Service } from '../../../src-main/contract/service.ts';
import App from '../../../src-renderer/app.svelte';
import { connectTo } from '../connect.ts';
import { createFakeService } from '../fake/service.ts';

// The test environment has no canvas. The charts are covered by the tests in a browser.
vi.mock('uplot', () => ({
  default: class {
    static join = (all: readonly unknown[]): unknown => all[0];
    over = document.createElement('div');
    scales = {};
    setData(): void {
      /* draws nothing */
    }
    setSize(): void {
      /* draws nothing */
    }
    destroy(): void {
      /* draws nothing */
    }
  },
}));

beforeEach(() => {
  location.hash = '';
});
afterEach(cleanup);

it('offers settings that fit after a run out of memory, and resumes with the chosen ones', async () => {
  const fake = createFakeService(0);
  const fits = [
    { what: 'micro-batch 2, grad-accum 4', change: { microBatch: 2, gradAccum: 4 }, bytes: 3e9 },
    { what: 'activation-checkpointing full', change: { activationCheckpointing: 'full' }, bytes: 2e9 },
  ];
  const error = {
    code: 'engine/out-of-memory' as const,
    detail: { device: 'cuda', detail: 'Failed to allocate memory', fits },
  };
  const requests: ResumeRequest[] = [];
  const events: readonly RunEvent[] = [{ type: 'stopped', step: 0, reason: 'failed', error, time: '' }];
  const run = { ...(await fake.run({ id: 'b' })), state: 'failed', step: 0, error } as RunSummary;
  const service: Service = {
    ...fake,
    run: async () => run,
    runHistory: async () => ({ events, lines: events.length, offset: 0, isComplete: true }),
    followRun: async function* () {
      /* the run has ended */
    },
    resumeRun: async (request) => {
      requests.push(request);
      return { ...run, state: 'preparing' };
    },
  };
  render(App, { connection: connectTo(service) });
  location.hash = '#/run?id=b';
  expect((await screen.findByRole('alert')).textContent).toMatch(/^ ?Cuda ran out of memory/);
  const buttons = await screen.findAllByRole('button', { name: /^Resume with / });
  expect(buttons.map((button) => button.textContent)).toEqual(fits.map(({ what }) => `Resume with ${what}`));
  await fireEvent.click(buttons[1]!);
  await waitFor(() => {
    expect(requests).toEqual([{ id: 'b', memoryOverrides: { activationCheckpointing: 'full' } }]);
  });
});
