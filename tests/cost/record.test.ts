import { describe, expect, it } from 'vitest';
import { assumptionDefaults } from '../../src-main/cost/assumptions.ts';
import { estimate } from '../../src-main/cost/estimate.ts';
import {
  costOf,
  createRecord,
  ratioOf,
  type CostRecord,
  type RunActuals,
} from '../../src-main/cost/record.ts';
import { estimateRequest } from './subjects.ts';

const time = '2026-11-21T12:00:00Z';
const record: CostRecord = createRecord(estimate(estimateRequest()), {
  assumptions: assumptionDefaults,
  memoryCorrection: 1,
  settings: estimateRequest().training,
  time,
})!;
const actual: RunActuals = {
  steps: 40,
  tokens: 1,
  seconds: 100,
  stepSeconds: 2 * record.estimate!.uncorrectedStepSeconds,
  memory: record.estimate!.uncorrectedMemory * 1.1,
  energy: 2,
  powerSource: 'assumed',
  cost: 1,
  time: '2026-11-21T13:00:00Z',
};

describe('createRecord', () => {
  it('stores the price with its source and time', () => {
    expect(record.price).toEqual({ value: 0.3, unit: 'kWh', source: 'your tariff', time });
  });
});

describe('ratioOf', () => {
  it('compares the actual figures with the estimate', () => {
    expect(ratioOf('r', { ...record, actual })).toMatchObject({
      time: 2,
      corrected: 2,
      basis: 'measured',
    });
    expect(ratioOf('r', { ...record, actual })!.memory).toBeCloseTo(1.1, 9);
  });

  it.each([
    ['that has not ended', record],
    ['with other settings', { ...record, actual: { ...actual, hasOtherSettings: true as const } }],
    ['of a few steps', { ...record, actual: { ...actual, steps: 3 } }],
  ])('learns nothing from a run %s', (_, run) => {
    expect(ratioOf('r', run)).toBeUndefined();
  });
});

describe('costOf', () => {
  it('charges by the kilowatt-hour or by the hour', () => {
    expect(costOf(record, 3600, 2)).toBeCloseTo(0.6, 12);
    expect(costOf(record, 3600, null)).toBeNull();
    expect(costOf({ price: { value: 4, unit: 'hour', source: 's', time: 't' } }, 1800, null)).toBe(2);
  });
});
