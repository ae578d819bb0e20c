import { cleanup, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import { trainingDefaults } from '../../../../src-main/train/settings.ts';
import EstimatePanel from '../../../../src-renderer/parts/cost/estimate-panel.svelte';
import type { EstimateState } from '../../../../src-renderer/state/estimate.svelte.ts';
import { measuredCpu, unknownCpu } from '../../../cost/subjects.ts';
import { createFakeService, type FakeService } from '../../fake/service.ts';
import { createEstimates, summary } from './estimates.ts';

afterEach(cleanup);

it('shows time, memory and what they are based on', async () => {
  render(EstimatePanel, { estimates: await createEstimates(), onchange: () => undefined });
  expect(screen.getByTestId('cost-time').textContent).toMatch(/\d.*–.*(s|min)/);
  expect(screen.getByTestId('cost-memory').textContent).toContain('fits');
  screen.getByText(/rates measured here on 2026-11-20/);
});

it('offers changes of settings that fit', async () => {
  const fake = createFakeService(0);
  const alternatives = [
    { what: 'micro-batch 8, grad-accum 8', change: { microBatch: 8, gradAccum: 8 }, bytes: 5e8 },
  ];
  const service: FakeService = {
    ...fake,
    costs: async (request) => ({
      ...(await fake.costs(request)),
      targets: [{ ...measuredCpu, memory: 1e9 }],
    }),
    estimate: async (request) => {
      const estimate = await fake.estimate(request);
      return { ...estimate, here: estimate.here.map((device) => ({ ...device, alternatives })) };
    },
  };
  const estimates = await createEstimates({ microBatch: 64, contextLength: 512 }, service);
  const onchange = vi.fn();
  await expect
    .poll(() => estimates.estimate!.here[0]!.alternatives?.length ?? 0, { timeout: 20_000 })
    .toBeGreaterThan(0);
  render(EstimatePanel, { estimates, onchange });
  expect(screen.getByRole('alert').textContent).toContain('does not fit');
  screen.getAllByRole('button', { name: /^Use/ })[0]!.click();
  expect(onchange).toHaveBeenCalledWith(alternatives[0]!.change);
});

it('shows no figures of earlier settings beside an error', async () => {
  const estimates = await createEstimates();
  render(EstimatePanel, { estimates, onchange: () => undefined });
  const subject = { ...summary, dims: {} };
  estimates.update({ subject, training: { ...trainingDefaults } });
  expect((await screen.findByRole('alert', {}, { timeout: 5000 })).textContent).not.toBe('');
  expect(estimates.estimate).toBeUndefined();
  expect(screen.getByTestId('cost-time').textContent).toBe('–');
  expect(screen.getByTestId('cost-memory').textContent).toBe('–');
});

it('counts the memory of the source in distillation', async () => {
  const fake = createFakeService(0);
  const { family, dims, settings } = summary;
  const service: FakeService = {
    ...fake,
    costs: async (request) => ({ ...(await fake.costs(request)), source: { family, dims, settings } }),
  };
  const sourceBytes = ({ estimate }: EstimateState): number | undefined =>
    estimate!.here[0]!.memory.parts.find((part) => part.what === 'Source')?.bytes;
  expect(sourceBytes(await createEstimates({ distillWeight: 0.5 }, service))).toBe(4 * summary.parameters);
  expect(sourceBytes(await createEstimates({}, service))).toBeUndefined();
});

it('shows that no device of this computer supports the precision', async () => {
  const estimates = await createEstimates({ precision: 'bfloat16' });
  render(EstimatePanel, { estimates, onchange: () => undefined });
  expect(screen.getByRole('alert').textContent).toContain(
    'No device of this computer supports this precision',
  );
  expect(screen.getByTestId('cost-time').textContent).toBe('–');
});

it('measures a device whose speed is unknown, and uses the result', async () => {
  const fake = createFakeService(0);
  let isMeasured = false;
  const service: FakeService = {
    ...fake,
    costs: async (request) => ({
      ...(await fake.costs(request)),
      targets: [isMeasured ? measuredCpu : unknownCpu],
    }),
    measureDevice: async () => {
      isMeasured = true;
      return { device: measuredCpu.id, measured: measuredCpu.measured! };
    },
  };
  render(EstimatePanel, { estimates: await createEstimates({}, service), onchange: () => undefined });
  expect(screen.getByTestId('cost-time').textContent).toBe('unknown');
  screen.getByRole('button', { name: 'Measure this device' }).click();
  await expect
    .poll(() => screen.getByTestId('cost-time').textContent, { timeout: 10_000 })
    .toMatch(/\d.*–.*(s|min)/);
});
