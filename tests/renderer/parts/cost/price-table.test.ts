import { cleanup, render, screen, within } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import { assumptionOptions } from '../../../../src-main/cost/assumptions.ts';
import PriceTable from '../../../../src-renderer/parts/cost/price-table.svelte';
import { createFakeService } from '../../fake/service.ts';
import { createEstimates } from './estimates.ts';

afterEach(cleanup);

it('lists the price of the own device first, and every other price with its source and date', async () => {
  render(PriceTable, { estimates: await createEstimates(), now: '2026-11-21T12:00:00Z' });
  const rows = screen.getAllByRole('row').slice(1);
  expect(within(rows[0]!).getByText('(here)')).toBeDefined();
  for (const row of rows.slice(1))
    expect(within(row).getByRole('link').textContent).toMatch(/as of 2026-\d\d-\d\d/);
  expect(within(rows[1]!).getByRole('link').getAttribute('href')).toMatch(/^https:/);
  expect(screen.getByTestId('from-scratch').textContent).toMatch(/From random weights/);
  for (const option of assumptionOptions) screen.getByLabelText(option.label);
});

it('applies a changed assumption at once, and saves it', async () => {
  const service = createFakeService(0);
  const setAssumptions = vi.spyOn(service, 'setAssumptions');
  const estimates = await createEstimates({}, service);
  const costOf = (): number => estimates.estimate!.offers[0]!.money.likely;
  const before = costOf();
  estimates.setAssumption('tariff', 0.6);
  await expect.poll(costOf, { timeout: 10_000 }).toBeCloseTo(2 * before, 9);
  await expect.poll(() => setAssumptions.mock.calls, { timeout: 10_000 }).toEqual([[{ tariff: 0.6 }]]);
});
