/** @file The pages of tunings, and the values that the training form takes from them. */
import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, it } from 'vitest';
import App from '../../../src-renderer/app.svelte';
import { connectTo } from '../connect.ts';
import { createFakeService } from '../fake/service.ts';

beforeEach(() => {
  location.hash = '';
});
afterEach(cleanup);

const dir = '/data/stories260K';

async function startTuning(pace = 0): Promise<ReturnType<typeof createFakeService>> {
  location.hash = `#/tune?dir=${dir}`;
  const service = createFakeService(pace);
  render(App, { connection: connectTo(service) });
  const file = await screen.findByRole('textbox', { name: 'Text' });
  await fireEvent.input(file, { target: { value: '/data/shakespeare.txt' } });
  return service;
}

it('starts a tuning from the form, and shows its curves, its check and its trials', async () => {
  const service = await startTuning();
  await fireEvent.change(screen.getByLabelText('Grow by'), { target: { value: 'hypercloning' } });
  expect(screen.getByLabelText(/Transfer trials/)).toBeTruthy();
  await fireEvent.click(screen.getByRole('button', { name: 'Start tuning' }));
  await screen.findByRole('img', { name: 'Loss over learning rate' });
  await screen.findByText(/it stays, as µP promises/);
  expect(screen.getByRole('img', { name: 'Scale of activations over the width: µP' })).toBeTruthy();
  expect(screen.getByRole('img', { name: 'Scale of activations over the width: Standard' })).toBeTruthy();
  expect(screen.getAllByRole('row').length).toBeGreaterThan(10);
  expect(screen.getByText('The output multiplier (0.500) is in the norm before the tied head.')).toBeTruthy();
  expect(service.calls).toContain('startTuning');
  expect(screen.getByRole('button', { name: 'Download HTML' })).toBeTruthy();
});

it('pauses and resumes', async () => {
  const service = await startTuning(20);
  await fireEvent.click(screen.getByRole('button', { name: 'Start tuning' }));
  await screen.findByRole('progressbar', { name: /^Trial 2/ });
  await fireEvent.click(screen.getByRole('button', { name: 'Pause' }));
  await fireEvent.click(await screen.findByRole('button', { name: 'Resume' }));
  await waitFor(() => {
    expect(service.calls).toContain('resumeTuning');
  });
});

it('offers the tuned values in the training form, with their origin', async () => {
  const service = createFakeService(0);
  const job = await service.startTuning({
    checkpoint: dir,
    data: ['/data/shakespeare.txt'],
    settings: (await import('../../../src-main/train/settings.ts')).trainingDefaults,
    trials: 9,
    transferTrials: 0,
    coordinateCheck: false,
  });
  for await (const event of service.followTuning({ id: job.id })) void event;
  location.hash = `#/train?dir=${dir}`;
  render(App, { connection: connectTo(service) });
  const offer = await screen.findByRole('region', { name: 'Tuned values' });
  expect(offer.textContent).toContain('from stories260K');
  const rate = screen.getByLabelText(/^Learning rate/) as HTMLInputElement;
  const before = rate.value;
  await fireEvent.click(screen.getByRole('button', { name: 'Use the tuned values' }));
  expect(rate.value).not.toBe(before);
  await fireEvent.click(screen.getByRole('button', { name: 'Use the defaults' }));
  expect(rate.value).toBe(before);
});
