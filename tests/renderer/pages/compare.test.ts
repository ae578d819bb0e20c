import { cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import App from '../../../src-renderer/app.svelte';
import { connectTo } from '../connect.ts';
import { createFakeService } from '../fake/service.ts';

vi.mock('uplot', () => import('../fake/uplot.ts'));

beforeEach(() => {
  location.hash = `#/compare?ids=${encodeURIComponent('a\nb')}`;
});
afterEach(() => {
  cleanup();
  location.hash = '';
});

const finished = 'stories ×2 on Shakespeare';
const failed = 'Same size from random weights';

it('describes the curves and their difference, and changes what they are compared with', async () => {
  render(App, { connection: connectTo(createFakeService(0)) });
  const losses = await screen.findByRole('img', { name: /^Held-out loss of 2 runs over tokens/ });
  expect(losses.getAttribute('aria-label')).toContain(`${finished} ends at`);
  await screen.findByRole('img', { name: new RegExp(`^Difference from ${finished} over tokens: ${failed}`) });
  await fireEvent.change(screen.getByLabelText('Difference from'), { target: { value: 'b' } });
  await screen.findByRole('img', { name: new RegExp(`^Difference from ${failed} over tokens: stories`) });
  expect(location.hash).toContain('baseline=b');
  await fireEvent.click(screen.getByRole('button', { name: 'FLOPs' }));
  await screen.findByRole('img', { name: /^Held-out loss of 2 runs over flops/ });
  await fireEvent.click(screen.getByRole('button', { name: 'Training loss' }));
  await screen.findByRole('img', { name: /^Training loss of 2 runs/ });
});

it('removes a run and adds it again, and keeps the address', async () => {
  render(App, { connection: connectTo(createFakeService(0)) });
  await fireEvent.click(await screen.findByRole('button', { name: `Remove ${failed}` }));
  await screen.findByRole('img', { name: /of one run over tokens/ });
  expect(screen.queryByRole('img', { name: /^Difference/ })).toBeNull();
  await waitFor(() => {
    expect(location.hash).toBe('#/compare?ids=a');
  });
  await fireEvent.change(screen.getByLabelText('Add a run'), { target: { value: 'b' } });
  await screen.findByRole('img', { name: /of 2 runs over tokens/ });
});

it('has the values of the charts in a table', async () => {
  render(App, { connection: connectTo(createFakeService(0)) });
  await screen.findByRole('img', { name: /of 2 runs/ });
  const details = screen.getByText('Data table').closest('details')!;
  details.open = true;
  await fireEvent(details, new Event('toggle'));
  const table = await screen.findByRole('region', { name: 'Losses of the compared runs' });
  expect(within(table).getByRole('columnheader', { name: `${failed} − ${finished}` })).toBeTruthy();
  expect(within(table).getAllByRole('row').length).toBeGreaterThan(3);
});
