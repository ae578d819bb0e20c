import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Lineage, LineageEdge, LineageNode } from '../../../src-main/contract/lineage.ts';
import App from '../../../src-renderer/app.svelte';
import { connectTo } from '../connect.ts';
import { createFakeService } from '../fake/service.ts';

// The test environment has no canvas. The charts are covered by the tests in a browser.
vi.mock('uplot', () => import('../fake/uplot.ts'));

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

it('shows on the page of a run what it comes from and what came from it', async () => {
  const service = createFakeService(0);
  const [run] = await service.runs({});
  const nodes: readonly LineageNode[] = [
    { dir: '/model', kind: 'checkpoint', name: 'model' },
    { dir: run!.dir, kind: 'run', name: 'this run', run: { ...run!, init: 'checkpoint' } },
    runNode('/scratch', 'random'),
  ];
  const edges = [
    { ...trained, to: run!.dir },
    { ...trained, to: '/scratch' },
  ];
  location.hash = `#/run?id=${encodeURIComponent(run!.id)}`;
  render(App, { connection: connectTo({ ...service, lineage: async () => ({ nodes, edges }) }) });
  await fireEvent.click(await screen.findByRole('tab', { name: 'Lineage' }));
  const link = await screen.findByRole('link', { name: 'this run' });
  expect(link.getAttribute('aria-current')).toBe('page');
  const tree = link.closest('.tree')!;
  expect([...tree.querySelectorAll('.node a')].map((node) => node.textContent)).toEqual([
    'model',
    'this run',
  ]);
});
