import { cleanup, render, screen, within } from '@testing-library/svelte';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { assumptionOptions } from '../../../../src-main/cost/assumptions.ts';
import PriceTable from '../../../../src-renderer/parts/cost/price-table.svelte';
import { trainingDefaults } from '../../../../src-main/train/settings.ts';
import { EstimateState, type EstimateInput } from '../../../../src-renderer/state/estimate.svelte.ts';
import { createSummary, sevenBillionConfig } from '../../fake/models.ts';
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
  for (const option of assumptionOptions) screen.getByLabelText(option.label);
});

describe('training from random weights', () => {
  const input: EstimateInput = {
    subject: createSummary(sevenBillionConfig, '/data/seven-billion'),
    training: trainingDefaults,
    sourceParameters: 1e9,
    growthPromise: 'function-preserving',
  };
  /** The text about random weights in the estimate of `input`. */
  async function readScratch(change: Partial<EstimateInput>): Promise<string> {
    const estimates = new EstimateState(createFakeService(0));
    estimates.update({ ...input, ...change });
    await expect.poll(() => estimates.estimate, { timeout: 10_000 }).toBeDefined();
    render(PriceTable, { estimates });
    return screen.getByTestId('from-scratch').textContent.replace(/\s+/g, ' ').trim();
  }

  it('has the tokens that it would need', async () => {
    expect(await readScratch({ sourceTokens: 2e10 })).toMatch(
      /^From random weights, a model of this size would need .* tokens to reach the loss of the source/,
    );
  });

  it('has the reason if it cannot be estimated', async () => {
    expect(await readScratch({})).toBe(
      'From random weights: no estimate, because the number of tokens that the source was trained on is unknown.',
    );
  });
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
