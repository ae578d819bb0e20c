import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, it } from 'vitest';
import App from '../../../src-renderer/app.svelte';
import { connectTo } from '../connect.ts';
import { createFakeService } from '../fake/service.ts';

beforeEach(() => {
  location.hash = '';
});
afterEach(cleanup);

it('downloads a model, pauses the download, and resumes it', async () => {
  location.hash = '#/model?repo=oak/acorn-1b';
  const service = createFakeService(20);
  render(App, { connection: connectTo(service) });
  await screen.findByText(/Grown to twice the width/);
  // Training needs 64 GB, and the computer has 16 GB.
  expect(screen.getByText('more than this computer has')).toBeTruthy();
  await fireEvent.click(screen.getByRole('button', { name: /^Download \(2.00 GB\)/ }));
  await screen.findByText(/50.0 MB\/s/);
  await fireEvent.click(screen.getByRole('button', { name: 'Pause' }));
  await screen.findByText('Paused.');
  await fireEvent.click(await screen.findByRole('button', { name: /^Resume download/ }));
  await screen.findByText('Downloaded. All hashes match.', {}, { timeout: 5000 });
  expect(service.calls).toContain('pauseDownload');
});

it('opens a gated model with a token that the page never shows', async () => {
  location.hash = '#/model?repo=oak/walled';
  const { container } = render(App, { connection: connectTo(createFakeService(0)) });
  expect((await screen.findByRole('alert')).textContent).toContain('is gated');
  await fireEvent.input(await screen.findByLabelText('Token'), { target: { value: 'hf_wrong' } });
  await fireEvent.click(screen.getByRole('button', { name: 'Save' }));
  await screen.findByText(/does not accept the token/);
  await fireEvent.input(screen.getByLabelText('Token'), { target: { value: 'hf_good' } });
  await fireEvent.click(screen.getByRole('button', { name: 'Save' }));
  await screen.findByText(/Grown to twice the width/);
  expect(container.innerHTML).not.toContain('hf_good');
});
