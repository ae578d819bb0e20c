import { expect, it } from 'vitest';
import type { Target } from '../../../src-main/cost/speed.ts';
import { utilisationOf } from '../../../src-renderer/state/utilisation.ts';

const settings = { precision: 'bfloat16', tf32: 'off' } as const;
const gpu = { facts: { kind: 'gpu', peaks: { bfloat16: 1e12 } }, cores: 1 } as unknown as Target;

it('divides the FLOPs of the graph by the peak of the data sheet', () => {
  const started = { parameters: 1e6, flopsPerToken: 8e6 };
  expect(utilisationOf(50_000, started, gpu, settings)).toEqual({ share: 0.4, isPublishedPeak: true });
});

it('counts 6 FLOPs per parameter if the graph was not counted', () => {
  expect(utilisationOf(50_000, { parameters: 1e6 }, gpu, settings)?.share).toBeCloseTo(0.3, 12);
});

it('falls back to the measured rate, and says so', () => {
  const cpu = { cores: 2, measured: { product: 1e11 } } as unknown as Target;
  expect(utilisationOf(5000, { parameters: 1e6 }, cpu, settings)).toEqual({
    share: 0.3,
    isPublishedPeak: false,
  });
});

it('is unknown without a speed or a peak', () => {
  expect(utilisationOf(Number.NaN, { parameters: 1e6 }, gpu, settings)).toBeUndefined();
  expect(utilisationOf(5000, { parameters: 1e6 }, undefined, settings)).toBeUndefined();
});
