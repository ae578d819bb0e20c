import { expect, it } from 'vitest';
import type { Lineage, LineageEdge } from '../../../src-main/contract/lineage.ts';
import { relativesOf } from '../../../src-renderer/state/lineage.ts';

const link = (from: string, to: string): LineageEdge => ({ from, to, kind: 'trained', what: '1' });
const lineage: Lineage = {
  nodes: ['source', 'grown', 'run', 'export', 'sibling'].map((dir) => ({
    dir,
    kind: 'checkpoint',
    name: dir,
  })),
  edges: [link('source', 'grown'), link('grown', 'run'), link('run', 'export'), link('grown', 'sibling')],
};

it('keeps what a folder comes from and what came from it, and no siblings', () => {
  const { nodes, edges } = relativesOf(lineage, 'run');
  expect(nodes.map(({ dir }) => dir)).toEqual(['source', 'grown', 'run', 'export']);
  expect(edges).toEqual(lineage.edges.slice(0, 3));
});

it('ends for a lineage with a circle', () => {
  const circle = { ...lineage, edges: [...lineage.edges, link('export', 'source')] };
  expect(relativesOf(circle, 'run').nodes).toHaveLength(5);
});
