/** @file The pages of bake-offs: plan, start, result, pause and resume, and the run that the best probe becomes. */
import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { refuse } from '../../../src-main/base/errors.ts';
import App from '../../../src-renderer/app.svelte';
import { connectTo } from '../connect.ts';
import { createFakeService, type FakeService } from '../fake/service.ts';

beforeEach(() => {
  location.hash = '';
});
afterEach(cleanup);

const dir = '/data/stories260K';

/** Plans a bake-off of the example checkpoint. */
async function makePlan(pace = 0): Promise<FakeService> {
  location.hash = `#/bakeoff?dir=${dir}`;
  const service = createFakeService(pace);
  render(App, { connection: connectTo(service) });
  const file = (await screen.findAllByRole('textbox', { name: /file|text|folder/i }))[0]!;
  await fireEvent.input(file, { target: { value: '/data/shakespeare.txt' } });
  await fireEvent.click(screen.getByRole('button', { name: 'Show candidates and estimate' }));
  await screen.findByRole('heading', { name: 'Candidates and estimate' });
  return service;
}

it('shows candidates and estimate before the start, and asks again after a change', async () => {
  const service = await makePlan();
  expect(screen.getByRole('row', { name: /^HyperCloning 1.00 M/ })).toBeTruthy();
  expect(screen.getByText(/its nearest size has twice the parameters/)).toBeTruthy();
  expect(service.calls).not.toContain('startBakeoff');
  await fireEvent.click(screen.getByRole('checkbox', { name: 'Stacking' }));
  await screen.findByRole('button', { name: 'Show candidates and estimate' });
  expect(screen.queryByRole('button', { name: 'Start bake-off' })).toBeNull();
});

it('runs to its result, and trains the best probe on', async () => {
  const service = await makePlan();
  await fireEvent.click(screen.getByRole('button', { name: 'Start bake-off' }));
  await screen.findByText(/HyperCloning is the best after/);
  expect(screen.getByRole('heading', { name: 'At equal FLOPs' })).toBeTruthy();
  expect(screen.getAllByRole('row', { name: /Random weights.*worse/ }).length).toBeGreaterThan(0);
  expect(screen.getByRole('button', { name: 'Download HTML' })).toBeTruthy();
  await fireEvent.click(screen.getByRole('button', { name: 'Train it on' }));
  await waitFor(() => {
    expect(service.calls).toContain('resumeRun');
  });
});

it('pauses and resumes', async () => {
  const service = await makePlan(10);
  await fireEvent.click(screen.getByRole('button', { name: 'Start bake-off' }));
  await fireEvent.click(await screen.findByRole('button', { name: 'Pause' }));
  await fireEvent.click(await screen.findByRole('button', { name: 'Resume' }));
  await waitFor(() => {
    expect(service.calls).toContain('resumeBakeoff');
  });
  await screen.findByText(/HyperCloning is the best after/);
});

it('shows the error of a bake-off whose folder is gone, and nothing that starts', async () => {
  const service = await makePlan(10);
  await fireEvent.click(screen.getByRole('button', { name: 'Start bake-off' }));
  await screen.findByRole('button', { name: 'Pause' });
  const bakeoff: FakeService['bakeoff'] = async ({ dir: path }) => refuse('bakeoff/not-found', { path });
  Object.assign(service, { bakeoff });
  await screen.findByRole('alert');
  await waitFor(() => {
    expect(screen.queryByText('Starting')).toBeNull();
    expect(screen.queryByRole('button', { name: 'Pause' })).toBeNull();
  });
});
