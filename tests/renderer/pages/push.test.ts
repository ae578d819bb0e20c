import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, it } from 'vitest';
import App from '../../../src-renderer/app.svelte';
import { connectTo } from '../connect.ts';
import { createFakeService } from '../fake/service.ts';

beforeEach(() => {
  location.hash = '';
});
afterEach(cleanup);

it('lists the files before there is a token, and asks for one to push', async () => {
  location.hash = '#/push?dir=/data/grown';
  render(App, { connection: connectTo(createFakeService(0)) });
  await fireEvent.click(await screen.findByRole('button', { name: 'Preview upload' }));
  await screen.findByText('2 files, 4.00 MB');
  const push = screen.getByRole('button', { name: 'Push 4.00 MB' }) as HTMLButtonElement;
  expect(push.disabled).toBe(true);
  expect(screen.getByRole('alert').textContent).toContain('needs a token');
  expect(screen.getByRole('heading', { name: 'Your account' })).toBeTruthy();
});

it('previews an upload, then uploads', async () => {
  location.hash = '#/push?dir=/data/grown';
  const service = createFakeService(0);
  render(App, { connection: connectTo(service) });
  await service.setHubToken({ token: 'hf_good' });
  await fireEvent.click(await screen.findByRole('button', { name: 'Preview upload' }));
  await screen.findByText('2 files, 4.00 MB');
  expect(service.calls).not.toContain('startPush');
  await fireEvent.click(screen.getByRole('button', { name: 'Push 4.00 MB' }));
  await screen.findByText('Pushed as one commit.');
});
