import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import ChartLegend from '../../../src-renderer/parts/chart/chart-legend.svelte';

afterEach(cleanup);
const ontoggle = vi.fn();
const props = {
  data: [
    [1, 2, 3, 4],
    [5, 4, 3, null],
    [null, 9, null, null],
  ] as [number[], (number | null)[], (number | null)[]],
  lines: [
    { label: 'Loss', colour: '--raw', width: 1 },
    { label: 'Held-out', colour: '--held-out', width: 1 },
  ],
  xLabel: 'Steps',
  formatX: String,
  formatY: String,
  hidden: new Set<string>(),
  ontoggle,
};
const readText = (): string => screen.getByRole('list').textContent.replace(/\s+/g, ' ').trim();

it('shows the newest values until the crosshair is in the chart', async () => {
  const { rerender } = render(ChartLegend, { ...props, index: null });
  expect(readText()).toBe('Steps 3 Loss 3 Held-out 9');
  await rerender({ ...props, index: 1 });
  expect(readText()).toBe('Steps 2 Loss 4 Held-out 9');
  await rerender({ ...props, index: 0 });
  expect(readText()).toBe('Steps 1 Loss 5 Held-out –');
});

it('hides a line on request', async () => {
  render(ChartLegend, { ...props, index: null });
  await fireEvent.click(screen.getByRole('button', { name: /Held-out/ }));
  expect(ontoggle).toHaveBeenCalledWith('Held-out');
});
