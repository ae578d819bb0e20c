import { expect, it } from 'vitest';
import type { StageGrowth } from '../../../src-main/train/stages.ts';
import { listStages } from '../../../src-renderer/state/run-stages.ts';

const growth: StageGrowth = { method: 'identity', to: { layers: 24 }, options: {}, seed: 0, dtype: 'keep' };

it('describes each stage, and which one is trained now', () => {
  const stages = [
    { until: { tokens: 50e6, byHand: true } },
    { grow: [growth], until: { plateau: 0.002 } },
    { grow: [{ ...growth, to: { layers: 48 } }] },
  ] as const;
  expect(listStages({ stages }, 1)).toEqual([
    {
      start: 'The checkpoint',
      end: 'until it grows after 50.0 M tokens, or when you ask for it',
      state: 'done',
    },
    {
      start: expect.stringMatching(/^Grown by .+ to layers 24$/) as string,
      end: 'until it grows when the loss falls by less than 0.00200 nats per million tokens',
      state: 'current',
    },
    { start: expect.stringContaining('layers 48') as string, end: 'until the end of the run', state: 'next' },
  ]);
});

it('lists nothing for a run of one stage', () => {
  expect(listStages({}, 0)).toEqual([]);
  expect(listStages({ stages: [{}] }, 0)).toEqual([]);
});
