import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { channelPair } from '../../../src-main/base/channel.ts';
import { serve } from '../../../src-main/contract/serve.ts';
import type { ResumeRequest, RunCard, RunEvent } from '../../../src-main/contract/schema.ts';
import { service as contract, type Service } from '../../../src-main/contract/service.ts';
import App from '../../../src-renderer/app.svelte';
import { Link } from '../../../src-renderer/state/link.svelte.ts';
import { fakeService } from '../fake-service.ts';

/** There is no canvas here; what is drawn is looked at in a browser. */
vi.mock('uplot', () => ({
  default: class {
    static join = (all: readonly unknown[]): unknown => all[0];
    over = document.createElement('div');
    scales = {};
    setData(): void {
      /* nothing is drawn */
    }
    setSize(): void {
      /* nothing is drawn */
    }
    destroy(): void {
      /* nothing is drawn */
    }
  },
}));

const linkTo = (service: Service): Link =>
  new Link({
    start(opened) {
      const [near, far] = channelPair();
      serve(contract, service, far);
      opened(near);
    },
  });
beforeEach(() => {
  location.hash = '';
});
afterEach(cleanup);

it('offers what would fit after memory ran out, and goes on with what is chosen', async () => {
  const fake = fakeService(0);
  const fits = [
    { what: 'batch 2, accumulate 4', change: { batch: 2, accumulate: 4 }, bytes: 3e9 },
    { what: 'every block computed twice', change: { recompute: 'full' }, bytes: 2e9 },
  ];
  const error = {
    code: 'engine/out-of-memory' as const,
    detail: { device: 'cuda', detail: 'Failed to allocate memory', fits },
  };
  const asked: ResumeRequest[] = [];
  const events: readonly RunEvent[] = [{ at: 'stopped', step: 0, reason: 'failed', error, time: '' }];
  const card = { ...(await fake.run({ id: 'b' })), state: 'failed', step: 0, error } as RunCard;
  const service: Service = {
    ...fake,
    run: async () => card,
    runHistory: async () => ({ events, lines: events.length, offset: 0, whole: true }),
    followRun: async function* () {
      /* it is over */
    },
    resumeRun: async (request) => {
      asked.push(request);
      return { ...card, state: 'preparing' };
    },
  };
  render(App, { link: linkTo(service) });
  location.hash = '#/run?id=b';
  expect((await screen.findByRole('alert')).textContent).toMatch(/^ ?Cuda ran out of memory/);
  const buttons = await screen.findAllByRole('button', { name: /^Go on with / });
  expect(buttons.map((button) => button.textContent)).toEqual(fits.map(({ what }) => `Go on with ${what}`));
  await fireEvent.click(buttons[1]!);
  await waitFor(() => {
    expect(asked).toEqual([{ id: 'b', spare: { recompute: 'full' } }]);
  });
});
