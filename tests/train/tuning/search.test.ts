/** @file The order of trials, on losses that are known. */
import { describe, expect, it } from 'vitest';
import { trainingDefaults } from '../../../src-main/train/settings.ts';
import {
  isBelowPar,
  nextTrial,
  rateCurve,
  rungsOf,
  trialsLeft,
  type NextTrial,
} from '../../../src-main/train/tuning/search.ts';
import { bestTrial, shiftOf, type Trial, type Tuning } from '../../../src-main/train/tuning/tuning.ts';

type Searched = Parameters<typeof nextTrial>[0];

const model = { dims: { hidden: 64 }, width: 64, parameters: 1000 };
const start: Searched = {
  trials: [],
  budget: { source: 24, target: 5 },
  options: [{ id: 'lambda', label: 'Shrink λ', candidates: [0.2, 0.6], first: 0.4 }],
  settings: trainingDefaults,
  target: model,
  isDone: false,
};

/** A bowl over the rate around `best`, in a weaker one over the other values. */
const bowl =
  (best: number) =>
  ({ values: { lr, weightDecay, warmup, lambda = 0.4 } }: NextTrial): number =>
    2 +
    0.1 * Math.log2(lr / best) ** 2 +
    0.1 * (weightDecay - 0.03) ** 2 +
    0.1 * (warmup - 0.1) ** 2 +
    0.1 * (lambda - 0.6) ** 2;

const finish = (next: NextTrial, loss: number): Trial => ({
  ...next,
  rungs: [{ step: 10, loss }],
  end: Number.isFinite(loss) ? 'finished' : 'diverged',
  seconds: 1,
});

function search(from: Searched, lossOf: (trial: NextTrial) => number): Searched {
  let tuning = from;
  for (let next = nextTrial(tuning); next; next = nextTrial(tuning))
    tuning = { ...tuning, trials: [...tuning.trials, finish(next, lossOf(next))] };
  return tuning;
}

describe('the search', () => {
  it.each([3e-6, 1e-4, 3e-4, 2e-3, 0.05])('finds a best rate of %d to a factor of two', (best) => {
    const found = bestTrial(search(start, bowl(best)), 'source')!;
    expect(Math.abs(Math.log2(found.values.lr / best))).toBeLessThanOrEqual(1);
  });

  it('then takes the best of the candidates of every other value, one after the other', () => {
    const { trials } = search(start, bowl(3e-4));
    const order = trials.filter(({ width }) => width === 'source').map(({ tests }) => tests);
    const ranks = ['lr', 'weightDecay', 'warmup', 'lambda'];
    expect(order).toEqual([...order].sort((a, b) => ranks.indexOf(a) - ranks.indexOf(b)));
    expect(new Set(order)).toEqual(new Set(ranks));
    expect(bestTrial({ trials }, 'source')!.values).toMatchObject({
      weightDecay: 0.03,
      warmup: 0.1,
      lambda: 0.6,
    });
  });

  it('transfers the best values to the grown width, at rates around the best', () => {
    const { trials } = search(start, bowl(3e-4));
    const best = bestTrial({ trials }, 'source')!.values;
    const target = trials.filter(({ width }) => width === 'target');
    expect(target.map(({ values }) => values.lr / best.lr)).toEqual([1, 1 / 2, 2, 1 / 4, 4]);
    for (const { values } of target) expect({ ...values, lr: best.lr }).toEqual(best);
    expect(shiftOf({ trials } as unknown as Tuning)).toBe(1);
    expect(rateCurve({ trials }, 'target').map(({ lr }) => lr / best.lr)).toEqual([1 / 4, 1 / 2, 1, 2, 4]);
  });

  it.each([0, 1, 4, 7, 16])('makes at most %i trials', (source) => {
    const budget = { source, target: 3 };
    const { trials } = search({ ...start, budget }, bowl(1e-2));
    expect(trials.filter(({ width }) => width === 'source').length).toBe(source);
    expect(trialsLeft({ ...start, budget, trials })).toBe(source === 0 ? 3 : 0);
    expect(trials.filter(({ width }) => width === 'target').length).toBe(source === 0 ? 0 : 3);
  });

  it('goes on to smaller rates while all have diverged', () => {
    const limit = 1e-5;
    const { trials } = search(start, (trial) => (trial.values.lr > limit ? Number.NaN : bowl(1e-6)(trial)));
    expect(bestTrial({ trials }, 'source')!.values.lr).toBeLessThan(limit);
  });

  it('never repeats a trial', () => {
    const { trials } = search(start, bowl(1e-4));
    const keys = trials.map(({ width, values }) => JSON.stringify([width, values]));
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('makes the same trials after an interruption', () => {
    const whole = search(start, bowl(7e-4));
    for (const kept of [1, 5, 9]) {
      const resumed = search({ ...start, trials: whole.trials.slice(0, kept) }, bowl(7e-4));
      expect(resumed.trials).toEqual(whole.trials);
    }
  });
});

describe('median stopping', () => {
  const trialWith = (loss: number): Trial => ({
    width: 'source',
    tests: 'lr',
    values: { lr: 1, weightDecay: 0, warmup: 0 },
    rungs: [{ step: 4, loss }],
    end: 'finished',
    seconds: 1,
  });
  const three = [3, 4, 5].map(trialWith);

  it('stops above the median of the same rung and width, and not before three trials were there', () => {
    expect(isBelowPar(three, 'source', { step: 4, loss: 4.01 })).toBe(true);
    expect(isBelowPar(three, 'source', { step: 4, loss: 4 })).toBe(false);
    expect(isBelowPar(three.slice(1), 'source', { step: 4, loss: 9 })).toBe(false);
    expect(isBelowPar(three, 'source', { step: 8, loss: 9 })).toBe(false);
    expect(isBelowPar(three, 'target', { step: 4, loss: 9 })).toBe(false);
  });

  it.each([
    [1, [1]],
    [2, [1, 2]],
    [8, [2, 4, 6, 8]],
    [101, [25, 51, 76, 101]],
  ])('has rungs for %i steps that end with the last', (steps, rungs) => {
    expect(rungsOf(steps)).toEqual(rungs);
  });
});
