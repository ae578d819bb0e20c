import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { channelPair } from '../../../src-main/base/channel.ts';
import { serve } from '../../../src-main/contract/serve.ts';
import { service as contract } from '../../../src-main/contract/service.ts';
import App from '../../../src-renderer/app.svelte';
import { addressOf, wishOf } from '../../../src-renderer/state/hub-search.svelte.ts';
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

it('a search is its address and back', () => {
  for (const at of [
    {},
    { q: 'oak' },
    { sort: 'likes', size: '2B', all: '1' },
    { family: 'gpt2', licence: 'mit' },
  ])
    expect(addressOf(wishOf(at))).toEqual(at);
  expect(wishOf({ sort: 'colour', size: 'huge' })).toMatchObject({ sort: 'downloads', size: '' });
});

it('lists what can be grown; the rest, with its reason, when asked', async () => {
  location.hash = '#/hub';
  render(App, { link: linkTo(fakeService(0)) });
  await screen.findByText('oak/acorn-1b');
  expect(screen.queryByText('oak/packed')).toBeNull();
  await fireEvent.click(screen.getByLabelText('Show what cannot be grown too, and why'));
  await screen.findByText('oak/packed');
  expect(screen.getByText(/is quantized \(gptq\)/)).toBeTruthy();
  expect(location.hash).toBe('#/hub?all=1');
  await fireEvent.input(screen.getByLabelText('Name of a model, or part of it'), {
    target: { value: 'oak/sapling-70m' },
  });
  await fireEvent.click(screen.getByRole('button', { name: 'Search' }));
  await screen.findByRole('link', { name: 'Look at oak/sapling-70m' });
  await waitFor(() => {
    expect(screen.queryByText('oak/packed')).toBeNull();
  });
});

it('fetches a model, pauses it, and goes on', async () => {
  location.hash = '#/model?repo=oak/acorn-1b';
  const service = fakeService(20);
  render(App, { link: linkTo(service) });
  await screen.findByText(/Grown to twice the width/);
  expect(screen.getByText('more than this computer has')).toBeTruthy(); // training needs 64 GB, there are 16
  await fireEvent.click(screen.getByRole('button', { name: /^Fetch it \(2.00 GB\)/ }));
  await screen.findByText(/50.0 MB a second/);
  await fireEvent.click(screen.getByRole('button', { name: 'Pause' }));
  await screen.findByText('Paused.');
  await fireEvent.click(await screen.findByRole('button', { name: /^Go on fetching/ }));
  await screen.findByText('It is here, and every hash is right.', {}, { timeout: 5000 });
  expect(service.calls).toContain('pauseDownload');
});

it('says how to get into a gated model, and opens it with a token that is never shown', async () => {
  location.hash = '#/model?repo=oak/walled';
  const { container } = render(App, { link: linkTo(fakeService(0)) });
  expect((await screen.findByRole('alert')).textContent).toContain('is gated');
  await fireEvent.input(await screen.findByLabelText('Token'), { target: { value: 'hf_wrong' } });
  await fireEvent.click(screen.getByRole('button', { name: 'Use it' }));
  await screen.findByText(/does not accept the token/);
  await fireEvent.input(screen.getByLabelText('Token'), { target: { value: 'hf_good' } });
  await fireEvent.click(screen.getByRole('button', { name: 'Use it' }));
  await screen.findByText(/Grown to twice the width/);
  expect(container.innerHTML).not.toContain('hf_good');
});

it('tells what a push would send, then pushes', async () => {
  location.hash = '#/push?dir=/data/grown';
  const service = fakeService(0);
  render(App, { link: linkTo(service) });
  await service.setHubToken({ token: 'hf_good' });
  await fireEvent.click(await screen.findByRole('button', { name: 'See what would go' }));
  await screen.findByText('2 files, 4.00 MB');
  expect(service.calls).not.toContain('startPush');
  await fireEvent.click(screen.getByRole('button', { name: 'Push 4.00 MB' }));
  await screen.findByText('Pushed as one commit.');
});

it('lists what lies in the Hugging Face cache on the start page', async () => {
  render(App, { link: linkTo(fakeService(0)) });
  await screen.findByRole('heading', { name: 'In the Hugging Face cache' });
  expect(screen.getByRole('link', { name: /elm\/leaf/ }).getAttribute('href')).toContain('#/checkpoint?dir=');
});
