import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createChannelPair } from '../../src-main/base/channel.ts';
import { createError } from '../../src-main/base/errors.ts';
import { serve } from '../../src-main/contract/serve.ts';
import { service as contract } from '../../src-main/contract/service.ts';
import App from '../../src-renderer/app.svelte';
import { Connection } from '../../src-renderer/state/connection.svelte.ts';
import type { Absence } from '../../src-renderer/transport.ts';
import { connectTo } from './connect.ts';
import { createFakeService } from './fake/service.ts';

beforeEach(() => {
  location.hash = '';
});
afterEach(cleanup);

it('grows the demo checkpoint and shows its certificate', async () => {
  const service = createFakeService(0);
  render(App, { connection: connectTo(service) });
  const demo = await screen.findByTestId('demo');
  location.hash = demo.getAttribute('href')!;
  await screen.findByText(/Llama, 260 k parameters/);
  location.hash = (await screen.findByRole('link', { name: 'Grow' })).getAttribute('href')!;
  await screen.findByText('Function-preserving');
  expect(screen.getAllByTestId('axis-diagram').length).toBeGreaterThan(5);
  await fireEvent.click(screen.getByRole('button', { name: 'Grow' }));
  await screen.findByText('Function-preserving, as measured on this text', {}, { timeout: 10_000 });
  expect(service.calls).toContain('startGrowth');
  expect(document.title).toBe('Growing · Cambium');
});

it('suggests possible sizes when a size is refused', async () => {
  location.hash = '#/grow?dir=/data/stories260K';
  render(App, { connection: connectTo(createFakeService(0)) });
  const field = await screen.findByRole('spinbutton', { name: /hidden/ });
  await fireEvent.input(field, { target: { value: '100' } });
  expect((await screen.findByRole('alert')).textContent).toContain('Hidden 64 → 100 is not a whole multiple');
  expect((screen.getByRole('button', { name: 'Grow' }) as HTMLButtonElement).disabled).toBe(true);
  expect(screen.queryByText(/^Creates /)).toBeNull();
  await fireEvent.click(screen.getByRole('button', { name: 'hidden 128' }));
  await waitFor(() => {
    expect(screen.queryByRole('alert')).toBeNull();
  });
  expect(screen.getByText(/^Creates /)).toBeTruthy();
  expect((screen.getByRole('button', { name: 'Grow' }) as HTMLButtonElement).disabled).toBe(false);
});

it('shows why a checkpoint cannot be opened on the page where it was entered', async () => {
  render(App, {
    connection: connectTo(
      createFakeService(0, {
        openError: createError('checkpoint/pickle-only', { path: '/data/old', file: 'pytorch_model.bin' }),
      }),
    ),
  });
  await fireEvent.input(await screen.findByLabelText('Path of a checkpoint folder'), {
    target: { value: '/data/old' },
  });
  await fireEvent.click(screen.getByRole('button', { name: 'Open' }));
  expect((await screen.findByRole('alert')).textContent).toContain('pytorch_model.bin');
  expect(location.hash).not.toContain('checkpoint?');
});

it('shows the number of steps before a training starts', async () => {
  location.hash = '#/train?dir=/data/stories260K';
  render(App, { connection: connectTo(createFakeService(0)) });
  await fireEvent.input(await screen.findByLabelText('Tokens'), { target: { value: '204800' } });
  expect((await screen.findByText('Steps')).parentElement!.textContent).toBe('Steps 100');
});

it('asks for the token when the server refuses the connection', async () => {
  render(App, {
    connection: new Connection({
      start(_onOpen, onFail) {
        onFail();
      },
    }),
  });
  await screen.findByText('Open the address that Cambium printed');
});

it('shows a lost connection and continues with the next one', async () => {
  const service = createFakeService(0);
  let reconnect!: () => void;
  let close!: () => void;
  let fail!: (absence: Absence) => void;
  const connection = new Connection({
    start(onOpen, onFail) {
      fail = (absence) => {
        onFail(undefined, absence);
      };
      reconnect = () => {
        const [near, far] = createChannelPair();
        serve(contract, service, far);
        close = () => {
          far.close();
        };
        onOpen(near);
      };
      reconnect();
    },
  });
  render(App, { connection });
  await screen.findByTestId('drop-zone');
  close();
  await screen.findByText('Disconnected. Reconnecting…');
  fail('gone');
  await screen.findByText('The server is gone. Reconnecting…');
  fail('refused');
  await screen.findByText('Cambium was restarted');
  reconnect();
  await waitFor(() => {
    expect(screen.queryByText('Cambium was restarted')).toBeNull();
  });
  expect((await connection.service.about({})).version).toBe('0.1.0');
});
