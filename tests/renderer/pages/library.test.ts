import { cleanup, render, screen, within } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, it } from 'vitest';
import App from '../../../src-renderer/app.svelte';
import { connectTo } from '../connect.ts';
import { createFakeService } from '../fake/service.ts';

beforeEach(() => {
  location.hash = '';
});
afterEach(cleanup);

it('lists the models of the Hugging Face cache', async () => {
  render(App, { connection: connectTo(createFakeService(0)) });
  const row = await screen.findByRole('row', { name: /elm\/leaf.*Hugging Face cache/ });
  expect(within(row).getByRole('link', { name: 'elm/leaf' }).getAttribute('href')).toContain(
    '#/checkpoint?dir=',
  );
});

it('lists exports apart from models', async () => {
  const fake = createFakeService(0);
  const exported = {
    dir: '/home/me/.cambium/exports/oak',
    name: 'oak',
    opened: '2026-11-01T00:00:00.000Z',
    builtIn: false,
    origin: 'exported' as const,
  };
  const checkpoints = async () => [...(await fake.checkpoints({})), exported];
  render(App, { connection: connectTo({ ...fake, checkpoints }) });
  const exports = await screen.findByRole('table', { name: 'Exports' });
  expect(within(exports).getByRole('link', { name: 'oak' })).toBeTruthy();
  expect(within(exports).queryByRole('columnheader', { name: 'Origin' })).toBeNull();
  const models = screen.getByRole('table', { name: 'Models' });
  expect(within(models).queryByRole('link', { name: 'oak' })).toBeNull();
});
