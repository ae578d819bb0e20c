import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { channelPair } from '../../../src-main/base/channel.ts';
import { appError } from '../../../src-main/base/errors.ts';
import { serve } from '../../../src-main/contract/serve.ts';
import { service as contract } from '../../../src-main/contract/service.ts';
import App from '../../../src-renderer/app.svelte';
import { Link } from '../../../src-renderer/state/link.svelte.ts';
import { fakeService } from '../fake-service.ts';

const linkTo = (service: ReturnType<typeof fakeService>): Link =>
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

it('goes from the built-in checkpoint to a certificate', async () => {
  const service = fakeService(0);
  render(App, { link: linkTo(service) });
  const builtIn = await screen.findByTestId('built-in');
  location.hash = builtIn.getAttribute('href')!;
  await screen.findByText(/Llama, 260 k parameters/);
  location.hash = (await screen.findByRole('link', { name: 'Grow it' })).getAttribute('href')!;
  await screen.findByText('Exact: the grown model will say the same.');
  expect(screen.getAllByTestId('axis-diagram').length).toBeGreaterThan(5);
  await fireEvent.click(screen.getByRole('button', { name: 'Grow' }));
  await screen.findByText('The grown model computes the same function', {}, { timeout: 10_000 });
  expect(service.calls).toContain('startGrowth');
  expect(document.title).toBe('Growing · Cambium');
});

it('shows a refusal with sizes to click while the sizes are edited', async () => {
  location.hash = '#/grow?dir=/data/stories260K';
  render(App, { link: linkTo(fakeService(0)) });
  const field = await screen.findByRole('spinbutton', { name: /hidden/ });
  await fireEvent.input(field, { target: { value: '100' } });
  expect((await screen.findByRole('alert')).textContent).toContain('Hidden 64 → 100 is not a whole multiple');
  expect((screen.getByRole('button', { name: 'Grow' }) as HTMLButtonElement).disabled).toBe(true);
  await fireEvent.click(screen.getByRole('button', { name: 'hidden 128' }));
  await waitFor(() => {
    expect(screen.queryByRole('alert')).toBeNull();
  });
  expect((screen.getByRole('button', { name: 'Grow' }) as HTMLButtonElement).disabled).toBe(false);
});

it('says why a checkpoint cannot be opened, where it was asked for', async () => {
  render(App, {
    link: linkTo(
      fakeService(0, {
        refuseToOpen: appError('checkpoint/pickle-only', { path: '/data/old', file: 'pytorch_model.bin' }),
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

it('starts a training with what was set, steps told beforehand', async () => {
  location.hash = '#/train?dir=/data/stories260K';
  render(App, { link: linkTo(fakeService(0)) });
  await fireEvent.input(await screen.findByLabelText('Tokens'), { target: { value: '204800' } });
  expect((await screen.findByText('Steps')).parentElement!.textContent).toBe('Steps 100');
});

it('asks for the token when the server does not let it in', async () => {
  render(App, {
    link: new Link({
      start(_opened, failed) {
        failed();
      },
    }),
  });
  await screen.findByText('Open the address that Cambium printed');
});

it('says that the connection is lost, and takes the next one', async () => {
  const service = fakeService(0);
  let again!: () => void;
  let close!: () => void;
  const link = new Link({
    start(opened) {
      again = () => {
        const [near, far] = channelPair();
        serve(contract, service, far);
        close = () => {
          far.close();
        };
        opened(near);
      };
      again();
    },
  });
  render(App, { link });
  await screen.findByTestId('drop-zone');
  close();
  await screen.findByText('The connection is lost; trying again.');
  again();
  await waitFor(() => {
    expect(screen.queryByText('The connection is lost; trying again.')).toBeNull();
  });
  expect((await link.service.about({})).version).toBe('0.1.0');
});
