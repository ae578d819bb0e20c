/** @file Estimates of the fake service. */
import { expect } from 'vitest';
import { trainingDefaults, type TrainingSettings } from '../../../../src-main/train/settings.ts';
import { EstimateState } from '../../../../src-renderer/state/estimate.svelte.ts';
import { createSummary, storiesConfig } from '../../fake/models.ts';
import { createFakeService } from '../../fake/service.ts';

export const summary = createSummary(storiesConfig, '/data/stories260K');

/** The estimate of a training with default settings and these changes. */
export async function createEstimates(
  change: Partial<TrainingSettings> = {},
  service = createFakeService(0),
): Promise<EstimateState> {
  const estimates = new EstimateState(service, summary.dir);
  estimates.update({ subject: summary, training: { ...trainingDefaults, ...change } });
  await expect.poll(() => estimates.estimate, { timeout: 10_000 }).toBeDefined();
  return estimates;
}
