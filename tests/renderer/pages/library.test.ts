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
