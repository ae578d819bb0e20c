import { cleanup, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it } from 'vitest';
import FactorList from '../../../../src-renderer/parts/growth/factor-list.svelte';

afterEach(cleanup);

it('shows the reason of each factor, and the part that it is for', () => {
  render(FactorList, {
    factors: [
      { why: 'sums 2 equal copies of hidden', by: 0.5 },
      { why: 'scores sum more', by: 0.7598, part: { axis: 'qkv', entry: 1 } },
    ],
    lrScale: 0.5,
    partNames: ['q', 'k', 'v'],
  });
  const items = screen.getAllByRole('listitem').map((item) => item.textContent);
  expect(items).toEqual([
    '×½sums 2 equal copies of hidden',
    '×0.7598scores sum more (k only)',
    '×½learning rate',
  ]);
});
