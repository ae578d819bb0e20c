import { describe, expect, it } from 'vitest';
import type { RunSummary } from '../../../src-main/contract/schema.ts';
import { settingTable, trainingDefaults, type TrainingSettings } from '../../../src-main/train/settings.ts';
import {
  costAxesOf,
  findComparableRuns,
  joinColumns,
  joinCurves,
  lastLossOf,
  listDifferences,
  loadRun,
  reachOf,
  sampleCurves,
  sharedLossOf,
} from '../../../src-renderer/state/comparison.ts';
import { describeSetting } from '../../../src-renderer/state/run-settings.ts';
import { createRunSummary, createStep, evaluatedRun, shortRun, started } from './example-runs.ts';

const runs = [
  { run: createRunSummary('a'), view: evaluatedRun },
  { run: createRunSummary('b', { lr: 1 }), view: shortRun },
];

describe('findComparableRuns', () => {
  const createRun = (name: string, settings: Partial<TrainingSettings>, step = 5): RunSummary => ({
    ...createRunSummary(name, settings),
    step,
  });
  const own = createRun('own', { init: 'checkpoint' });
  const baseline = createRun('baseline', { init: 'random' });

  it('lists the run of the same checkpoint from random weights first, and no run without steps', () => {
    const other = createRun('other', {});
    const otherCheckpoint = { ...createRun('other checkpoint', { init: 'random' }), checkpoint: '/d' };
    const withoutSteps = createRun('new', {}, 0);
    expect(findComparableRuns(own, [own, otherCheckpoint, other, withoutSteps, baseline])).toEqual({
      runs: [baseline, otherCheckpoint, other],
      baseline,
    });
  });

  it('has no baseline for a run from random weights', () => {
    expect(findComparableRuns(baseline, [own, baseline]).baseline).toBeUndefined();
  });
});

it('loads a run with its events', async () => {
  const service = {
    run: () => Promise.resolve(createRunSummary('a')),
    runHistory: () => Promise.resolve({ events: [started, createStep(1, 4)] }),
  };
  const { run, view } = await loadRun(service as never, 'a');
  expect([run.id, view.step, view.version]).toEqual(['a', 1, 2]);
});

it('joins the curves of runs, by held-out losses if there are any', () => {
  const data = joinCurves(runs, 'steps', { smoothing: 0 });
  expect(data.map((column) => Array.from(column, (value) => value ?? null))).toEqual([
    [0, 1, 2, 4],
    [5, null, null, 1],
    [null, 3, 3, null],
  ]);
  expect(Array.from(joinCurves(runs, 'tokens')[0])).toEqual([0, 10, 20, 40]);
  expect([lastLossOf(evaluatedRun), lastLossOf(shortRun)]).toEqual([1, 3]);
});

it('finds where a run reaches a loss', () => {
  expect(reachOf(evaluatedRun, 'steps', 3)).toBe(2);
  expect(reachOf(shortRun, 'tokens', 2)).toBeNull();
  expect(reachOf(shortRun, 'tokens', 3)).toBe(10);
});

it('compares energy and cost only if a run has them', () => {
  expect(costAxesOf(runs).map(({ id }) => id)).toEqual(['tokens', 'time', 'energy', 'cost']);
  expect(costAxesOf(runs.slice(1)).map(({ id }) => id)).toEqual(['tokens', 'time']);
});

it('lists the settings that differ', () => {
  expect(listDifferences(runs.map(({ run }) => run))).toEqual([
    { what: 'Learning rate', values: [describeSetting(settingTable.lr, trainingDefaults.lr), '1'] },
  ]);
  expect(listDifferences([createRunSummary('a'), createRunSummary('b')])).toEqual([]);
});

it('compares the training losses unless every run has held-out losses', () => {
  expect(sharedLossOf(runs)).toBe('training');
  expect(sharedLossOf(runs.slice(0, 1))).toBe('held-out');
  const training = joinCurves(runs, 'steps', { loss: 'training', smoothing: 0 });
  expect(training.map((column) => Array.from(column, (value) => value ?? null))).toEqual([
    [1, 2, 3, 4],
    [4, 3, 2, 1],
    [3, 3, null, null],
  ]);
  expect(lastLossOf(evaluatedRun, { loss: 'training', smoothing: 0 })).toBe(1);
});

it('samples the curves at the same places', () => {
  const curves = [
    { x: Float64Array.of(0, 4), y: Float64Array.of(8, 0) },
    { x: Float64Array.of(1, 2), y: Float64Array.of(5, 6) },
    { x: new Float64Array(), y: new Float64Array() },
  ];
  expect(sampleCurves(curves, 3)).toEqual([
    { x: 0, losses: [8, Number.NaN, Number.NaN] },
    { x: 2, losses: [4, 6, Number.NaN] },
    { x: 4, losses: [0, Number.NaN, Number.NaN] },
  ]);
  expect(sampleCurves([], 3)).toEqual([]);
  expect(joinColumns([])).toEqual([[]]);
});
