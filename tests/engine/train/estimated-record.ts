/** @file The estimate.json of a run that has not started. */
import { assumptionDefaults } from '../../../src-main/cost/assumptions.ts';
import type { CostRecord } from '../../../src-main/cost/record.ts';

export const estimatedRecord: CostRecord = {
  version: 2,
  time: '2026-11-21T08:00:00Z',
  device: 'cpu: Chip × 4',
  kind: 'cpu',
  precision: 'float32',
  price: { value: 3.6, unit: 'hour', source: 'your price', time: '2026-11-21T08:00:00Z' },
  assumptions: assumptionDefaults,
  estimate: {
    stepSeconds: 0.5,
    uncorrectedStepSeconds: 0.5,
    seconds: { low: 1, likely: 2, high: 3 },
    memory: 1e8,
    uncorrectedMemory: 1e8,
    watts: 100,
  },
};
