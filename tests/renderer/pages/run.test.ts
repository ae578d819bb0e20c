import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { ResumeRequest, RunSummary, RunEvent } from '../../../src-main/contract/schema.ts';
import type { Service } from '../../../src-main/contract/service.ts';
import { refuse } from '../../../src-main/base/errors.ts';
import { createChannelPair } from '../../../src-main/base/channel.ts';
import { serve } from '../../../src-main/contract/serve.ts';
import { service as contract } from '../../../src-main/contract/service.ts';
import { Connection } from '../../../src-renderer/state/connection.svelte.ts';
import App from '../../../src-renderer/app.svelte';
import { connectTo } from '../connect.ts';
import { createFakeService } from '../fake/service.ts';
import { createStep, grownEvent, started } from '../state/example-runs.ts';

// The test environment has no canvas. The charts are covered by the tests in a browser.
vi.mock('uplot', () => import('../fake/uplot.ts'));

beforeEach(() => {
  location.hash = '';
});
afterEach(cleanup);

it('says that nobody knows the state of a run while the server cannot be reached', async () => {
  const fake = createFakeService(0);
  const running = { ...(await fake.run({ id: 'a' })), state: 'running' } as RunSummary;
  const [near, far] = createChannelPair();
  const service: Service = {
    ...fake,
    run: async () => running,
    followRun: async function* () {
      await new Promise(() => undefined);
    },
  };
  serve(contract, service, far);
  const connection = new Connection({
    start(onOpen) {
      onOpen(near);
    },
    reconnect() {
      /* the server is gone */
    },
  });
  location.hash = '#/run?id=a';
  render(App, { connection });
  const state = await screen.findByTestId('run-state');
  await waitFor(() => {
    expect(state.textContent.trim()).toBe('Training');
  });
  far.close();
  await waitFor(() => {
    expect(state.textContent.trim()).toBe('Disconnected');
  });
  expect(screen.getByRole('button', { name: 'Pause' }).getAttribute('aria-disabled')).toBe('true');
});

it('says how many lines of events.jsonl it lacks', async () => {
  const fake = createFakeService(0);
  const damage = { code: 'run/damaged-lines' as const, detail: { run: 'a', lines: 3 } };
  const run = { ...(await fake.run({ id: 'a' })), damage } as RunSummary;
  render(App, { connection: connectTo({ ...fake, run: async () => run }) });
  location.hash = '#/run?id=a';
  expect(await screen.findAllByText(/^3 lines in events\.jsonl .* were skipped/)).not.toHaveLength(0);
});

it('keeps what was typed in a tab while another is shown', async () => {
  render(App, { connection: connectTo(createFakeService(0)) });
  location.hash = '#/run?id=a';
  await fireEvent.click(await screen.findByRole('tab', { name: 'Samples' }));
  await fireEvent.input(screen.getByLabelText('Prompt'), { target: { value: 'A tree' } });
  await fireEvent.keyDown(screen.getByRole('tablist'), { key: 'ArrowRight' });
  expect(screen.getByRole('tab', { selected: true }).textContent).toBe('Checkpoints');
  await fireEvent.keyDown(screen.getByRole('tablist'), { key: 'ArrowLeft' });
  expect(screen.getByLabelText<HTMLInputElement>('Prompt').value).toBe('A tree');
});

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
    const memoryOverrides = { activationCheckpointing: 'full' };
    expect(requests).toEqual([{ id: 'b', queue: 'last', memoryOverrides }]);
  });
});

it('says beside which run, and how, the loss falls after a growth, or why that cannot be said', async () => {
  const fake = createFakeService(0);
  const events: readonly RunEvent[] = [started, createStep(1, 4), createStep(2, 3), grownEvent];
  const asked: string[] = [];
  const service: Service = {
    ...fake,
    runHistory: async ({ id }) =>
      id === 'a' ? { events, lines: events.length, offset: 0, isComplete: true } : fake.runHistory({ id }),
    followRun: async function* () {
      /* the run has ended */
    },
    compareSlopes: async ({ id, other }) => {
      asked.push(`${id} ${other}`);
      if (asked.length > 1)
        return refuse('run/slope-not-comparable', { run: 'x', other: 'y', why: 'is small' });
      const slope = { fall: 0.5, low: 0.25, high: 0.75, tokens: 1000 };
      const grown = { fall: 2, low: 1.5, high: 2.5, tokens: 500 };
      const names = { run: 'A', otherRun: 'B', stage: 2, parameters: 3000, otherInit: 'random' } as const;
      return { ...names, loss: 3.25, grown, other: slope, verdict: 'faster' };
    },
  };
  render(App, { connection: connectTo(service) });
  location.hash = '#/run?id=a';
  const choice = await screen.findByLabelText<HTMLSelectElement>('Compare with');
  expect(screen.queryByText(/^At loss/)).toBeNull();
  await fireEvent.change(choice, { target: { value: 'b' } });
  const sentence = await screen.findByText(/^At loss 3\.250, 500 tokens after growing into stage 2/);
  expect(sentence.textContent).toContain('falls by 2.0 nats per million tokens (90 % band 1.5 to 2.5)');
  expect(sentence.textContent).toContain('the loss of the grown model falls faster.');
  await fireEvent.change(choice, { target: { value: '' } });
  await waitFor(() => {
    expect(screen.queryByText(/^At loss/)).toBeNull();
  });
  await fireEvent.change(choice, { target: { value: 'b' } });
  await screen.findByText('The loss of x after growing is not compared with that of y: y is small.');
  expect(asked).toEqual(['a b', 'a b']);
});
