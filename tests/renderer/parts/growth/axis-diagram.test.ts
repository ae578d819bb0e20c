import { cleanup, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it } from 'vitest';
import { pad, tile } from '../../../../src-main/tensor/axis-map.ts';
import AxisDiagram from '../../../../src-renderer/parts/growth/axis-diagram.svelte';
import { buildBlock } from '../../../../src-renderer/parts/growth/weight-regions.ts';

afterEach(cleanup);
const dims = { hidden: 8, ffn: 12 };

/** The kinds of the regions that are drawn for a weight whose input grows from 8 to 16. */
function draw(map: typeof tile): string[] {
  const { container } = render(AxisDiagram, {
    label: 'a weight',
    block: buildBlock(
      { layout: 'ffn <- hidden', fills: { hidden: 'zero' }, spread: 'symmetric', zeroOutput: false },
      { hidden: map(8, 16) },
      dims,
      { ...dims, hidden: 16 },
    ),
  });
  return [...container.querySelectorAll('rect[data-kind]')].map((rect) => rect.getAttribute('data-kind')!);
}

it('draws a copy next to the old part', () => {
  expect(draw(tile)).toEqual(['old', 'copy']);
});

it('draws a new part next to the old part', () => {
  expect(draw(pad)).toEqual(['old', 'zero']);
  expect(screen.getByRole('img', { name: 'a weight' })).toBeTruthy();
});
