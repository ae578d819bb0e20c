import { cleanup, render, screen } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Lineage, LineageEdge, LineageNode } from '../../../src-main/contract/lineage.ts';
import App from '../../../src-renderer/app.svelte';
import { connectTo } from '../connect.ts';
import { createFakeService } from '../fake/service.ts';

beforeEach(() => {
  location.hash = '#/lineage';
});
afterEach(cleanup);

const runNode = (dir: string, init: 'checkpoint' | 'random'): LineageNode => ({
  dir,
  kind: 'run',
  name: dir.slice(1),
  run: { id: dir.slice(1), state: 'finished', loss: 2, heldOutLoss: null, init },
});
const trained: LineageEdge = { from: '/model', to: '/tuned', kind: 'trained', what: '1000 tokens' };
const lineage: Lineage = {
  nodes: [
    { dir: '/model', kind: 'checkpoint', name: 'model' },
    runNode('/tuned', 'checkpoint'),
    runNode('/scratch', 'random'),
    { dir: '/export', kind: 'checkpoint', name: 'export' },
  ],
  edges: [
    trained,
    { ...trained, to: '/scratch', init: 'random' },
    { from: '/scratch', to: '/export', kind: 'exported', what: 'step 9', init: 'random' },
  ],
};

it('draws a random start as what it is: it has none of the weights of its checkpoint', async () => {
  render(App, { connection: connectTo({ ...createFakeService(0), lineage: async () => lineage }) });
  await screen.findByRole('link', { name: 'scratch' });
  const edgeOf = (name: string): string =>
    screen.getByRole('link', { name }).closest('li')!.querySelector('.edge')!.textContent.trim();
  expect(edgeOf('tuned')).toMatch(/^trained\s+1000 tokens$/);
  expect(edgeOf('scratch')).toMatch(/^random start\s+only the architecture · trained 1000 tokens$/);
  expect(edgeOf('export')).toMatch(/^exported\s+step 9 · from random weights$/);
  expect(document.querySelectorAll('.edge.random')).toHaveLength(1);
});
