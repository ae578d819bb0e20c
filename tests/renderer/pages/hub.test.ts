import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, it } from 'vitest';
import App from '../../../src-renderer/app.svelte';
import { connectTo } from '../connect.ts';
import { createFakeService } from '../fake/service.ts';

beforeEach(() => {
  location.hash = '';
});
afterEach(cleanup);

it('lists models that can be grown, and the others with the reason on request', async () => {
  location.hash = '#/hub';
  render(App, { connection: connectTo(createFakeService(0)) });
  await screen.findByText('oak/acorn-1b');
  expect(screen.queryByText('oak/packed')).toBeNull();
  await fireEvent.click(screen.getByLabelText('Include models that cannot be grown, with the reason'));
  await screen.findByText('oak/packed');
  expect(screen.getByText(/is quantized \(gptq\)/)).toBeTruthy();
  expect(location.hash).toBe('#/hub?all=1');
  await fireEvent.input(screen.getByLabelText('Model name'), { target: { value: 'oak/sapling-70m' } });
  await fireEvent.click(screen.getByRole('button', { name: 'Search' }));
  await screen.findByRole('link', { name: 'Open oak/sapling-70m' });
  await waitFor(() => {
    expect(screen.queryByText('oak/packed')).toBeNull();
  });
});
