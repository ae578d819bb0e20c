import { expect, it } from 'vitest';
import { availableAxes, valuesAlong } from '../../../src-renderer/state/chart-axes.ts';
import type { RunEvent } from '../../../src-main/contract/schema.ts';
import { createView } from '../views.ts';
import { evaluatedRun, grownEvent, shortRun } from './example-runs.ts';

it('offers the axes that the run has data for', () => {
  const idsOf = (view: typeof shortRun): readonly string[] => availableAxes(view).map(({ id }) => id);
  expect(idsOf(evaluatedRun)).toEqual(['steps', 'tokens', 'flops', 'time', 'energy', 'cost']);
  expect(idsOf(shortRun)).toEqual(['steps', 'tokens', 'flops', 'time']);
});

it('computes FLOPs from parameters and tokens', () => {
  const expected = [1, 2, 3, 4].map((step) => 6 * 1000 * 10 * step);
  expect([...valuesAlong(evaluatedRun, 'flops', evaluatedRun)]).toEqual(expected);
});

it('counts FLOPs with the model of each stage in a run that grows', () => {
  const step = (n: number): RunEvent => ({
    type: 'step',
    step: n,
    loss: 3,
    lr: 1e-3,
    gradNorm: 1,
    tokens: 10 * n,
    seconds: 1,
  });
  const view = createView([step(1), step(2), grownEvent, step(3), step(4)]);
  // 100 FLOPs a token for 20 tokens, then 300.
  expect([...valuesAlong(view, 'flops', view)]).toEqual([1000, 2000, 5000, 8000]);
});

it('sums the time of the steps', () => {
  expect([...valuesAlong(evaluatedRun, 'time', evaluatedRun)]).toEqual([2, 4, 6, 8]);
});

it('interpolates energy between two usage events, and is NaN without one', () => {
  const energies = valuesAlong(evaluatedRun, 'energy', evaluatedRun);
  for (const [i, energy] of energies.entries()) expect(energy).toBeCloseTo(0.1 * (i + 1), 12);
  expect([...valuesAlong(shortRun, 'cost', shortRun)].every(Number.isNaN)).toBe(true);
});
