import { expect, it } from 'vitest';
import { availableAxes, valuesAlong } from '../../../src-renderer/state/chart-axes.ts';
import { evaluatedRun, shortRun } from './example-runs.ts';

it('offers the axes that the run has data for', () => {
  const idsOf = (view: typeof shortRun): readonly string[] => availableAxes(view).map(({ id }) => id);
  expect(idsOf(evaluatedRun)).toEqual(['steps', 'tokens', 'flops', 'time', 'energy', 'cost']);
  expect(idsOf(shortRun)).toEqual(['steps', 'tokens', 'flops', 'time']);
});

it('computes FLOPs from parameters and tokens', () => {
  const expected = [1, 2, 3, 4].map((step) => 6 * 1000 * 10 * step);
  expect([...valuesAlong(evaluatedRun, 'flops', evaluatedRun)]).toEqual(expected);
});

it('sums the time of the steps', () => {
  expect([...valuesAlong(evaluatedRun, 'time', evaluatedRun)]).toEqual([2, 4, 6, 8]);
});

it('interpolates energy between two usage events, and is NaN without one', () => {
  const energies = valuesAlong(evaluatedRun, 'energy', evaluatedRun);
  for (const [i, energy] of energies.entries()) expect(energy).toBeCloseTo(0.1 * (i + 1), 12);
  expect([...valuesAlong(shortRun, 'cost', shortRun)].every(Number.isNaN)).toBe(true);
});
