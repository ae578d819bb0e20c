import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it } from 'vitest';
import { planGrowth } from '../../../../src-main/growth/plan/plan.ts';
import TrainingEstimate from '../../../../src-renderer/parts/cost/training-estimate.svelte';
import { EstimateState } from '../../../../src-renderer/state/estimate.svelte.ts';
import { createSummary, gpt2Config } from '../../fake/models.ts';
import { createFakeService } from '../../fake/service.ts';

afterEach(cleanup);

const slow = { timeout: 15_000 };
const source = createSummary(gpt2Config, '/data/gpt2');
const plan = planGrowth(source, {
  method: 'identity',
  to: { layers: 18 },
  options: {},
  seed: 0,
  dtype: 'keep',
});

it('asks for the tokens of the source, and compares with random weights only if it knows them', async () => {
  const estimates = new EstimateState(createFakeService(0));
  const { promise } = plan;
  render(TrainingEstimate, {
    estimates,
    plan,
    sourceParameters: source.parameters,
    growthPromise: promise.kind,
  });
  const field = screen.getByLabelText('Tokens the source was trained on');
  await screen.findByText(/the number of tokens that the source was trained on is unknown/, {}, slow);
  await fireEvent.input(field, { target: { value: '50B' } });
  const found = await screen.findByText(/From random weights, it would take/, {}, slow);
  expect(found.textContent).toMatch(/source trained on 50\.0 B tokens/);
  await fireEvent.input(field, { target: { value: '1M' } });
  await screen.findByText(/no estimate, because the source was trained on 1\.00 M tokens/, {}, slow);
  await fireEvent.input(field, { target: { value: 'many' } });
  expect(field.getAttribute('aria-invalid')).toBe('true');
  screen.getByText('Enter a number of tokens, such as 300B.');
});
