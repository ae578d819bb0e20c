/**
 * @file Which trial is next: a function of the trials before it, so that a tuning which was interrupted continues
 * with the same ones. The learning rate comes first, then one hyperparameter after the other at the best rate.
 */
import { settingTable } from '../setting-table.ts';
import { bestTrial, lossOf, type Trial, type TrialValues, type TrialWidth, type Tuning } from './tuning.ts';

/** A trial that has not been made. */
export type NextTrial = Pick<Trial, 'width' | 'tests' | 'values'>;

type Searched = Pick<Tuning, 'trials' | 'budget' | 'options' | 'settings' | 'target' | 'isDone'>;

/** Shares of a trial's steps after which it is compared with others. */
const rungShares = [0.25, 0.5, 0.75, 1];
/** Trials that reached a rung before another is stopped there. */
export const minCompared = 3;

/** Steps after which a trial of `steps` steps is measured; the last is its end. */
export const rungsOf = (steps: number): readonly number[] => [
  ...new Set(rungShares.map((share) => Math.max(1, Math.round(share * steps)))),
];

const median = (numbers: readonly number[]): number => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

/**
 * Whether a trial with this loss after `step` steps ends there: if it is above the median of what earlier trials of
 * the same width had (median stopping; Golovin et al. 2017, Vizier).
 */
export function isBelowPar(
  trials: readonly Trial[],
  width: TrialWidth,
  { step, loss }: Trial['rungs'][number],
): boolean {
  const others = trials
    .filter((trial) => trial.width === width)
    .flatMap(({ rungs }) => rungs.filter((rung) => rung.step === step).map((rung) => rung.loss));
  return others.length >= minCompared && loss > median(others);
}

/** Factors of the first rates, and how much the search goes beyond them or between them. */
const coarse = [1, 1 / 4, 4, 1 / 16, 16];
const coarseStep = 4;
const fine = [1 / 2, 2];
/** The share of the trials that may search for the rate before other hyperparameters have their turn. */
const rateShare = 0.6;
/** Factors of the best rate at the grown width. */
const transferred = [1, 1 / 2, 2, 1 / 4, 4, 1 / 8, 8];
const warmups = [0.05, 0, 0.1, 0.2];
const weightDecays = [0.1, 0, 0.03, 0.3];
const defaultWarmup = warmups[0]!;

const isSame = (a: number, b: number): boolean =>
  Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b));
const isRate = (lr: number): boolean => lr >= settingTable.lr.min && lr <= settingTable.lr.max;

/** The next trial; undefined if all have been made. */
export function nextTrial(tuning: Searched): NextTrial | undefined {
  return nextAtSource(tuning) ?? nextAtTarget(tuning);
}

const trialsAt = ({ trials }: Pick<Tuning, 'trials'>, width: TrialWidth): readonly Trial[] =>
  trials.filter((trial) => trial.width === width);

function nextAtSource(tuning: Searched): NextTrial | undefined {
  const done = trialsAt(tuning, 'source');
  if (done.length >= tuning.budget.source) return undefined;
  const first: TrialValues = {
    lr: tuning.settings.lr,
    weightDecay: tuning.settings.weightDecay,
    warmup: defaultWarmup,
    ...Object.fromEntries(tuning.options.map((option) => [option.id, option.first])),
  };
  const rates = done.filter(({ tests }) => tests === 'lr');
  const hasTurn = rates.length < Math.max(coarse.length, Math.ceil(rateShare * tuning.budget.source));
  const lr = hasTurn ? nextRate(rates, first.lr) : undefined;
  if (lr !== undefined) return { width: 'source', tests: 'lr', values: { ...first, lr } };
  return nextOther(tuning, done);
}

/** The next rate: the coarse ones, beyond them while the best is at an end, then those beside the best. */
function nextRate(trials: readonly Trial[], center: number): number | undefined {
  const tried = trials.map(({ values }) => values.lr);
  const isNew = (lr: number): boolean => isRate(lr) && !tried.some((other) => isSame(lr, other));
  const first = coarse.map((factor) => factor * center).find(isNew);
  if (first !== undefined) return first;
  const best = bestTrial({ trials }, 'source')?.values.lr;
  if (best === undefined) return [Math.min(...tried) / coarseStep].find(isNew);
  if (isSame(best, Math.min(...tried))) return [best / coarseStep].find(isNew);
  if (isSame(best, Math.max(...tried))) return [best * coarseStep].find(isNew);
  return fine.map((factor) => factor * best).find(isNew);
}

/** The next value of the other hyperparameters, in turn. Everything else is as in the best trial. */
function nextOther({ options, trials }: Searched, done: readonly Trial[]): NextTrial | undefined {
  const best = bestTrial({ trials }, 'source');
  if (!best) return undefined;
  const knobs = [
    { id: 'weightDecay', candidates: weightDecays },
    { id: 'warmup', candidates: warmups },
    ...options,
  ];
  for (const { id, candidates } of knobs) {
    const tested = done.filter(({ tests }) => tests === id);
    // The values that the first of these trials was made beside.
    const tried = [...tested.map(({ values }) => values[id]!), baseOf(done, id)];
    const value = candidates.find((candidate) => !tried.some((other) => other === candidate));
    if (value !== undefined) return { width: 'source', tests: id, values: { ...best.values, [id]: value } };
  }
  return undefined;
}

/** The value that a hyperparameter had in all trials before those that test it. */
const baseOf = (done: readonly Trial[], id: string): number => done[0]!.values[id]!;

function nextAtTarget(tuning: Searched): NextTrial | undefined {
  const best = bestTrial(tuning, 'source');
  const done = trialsAt(tuning, 'target');
  if (!tuning.target || !best || done.length >= tuning.budget.target) return undefined;
  const lr = transferred
    .map((factor) => factor * best.values.lr)
    .find((rate) => isRate(rate) && !done.some(({ values }) => isSame(values.lr, rate)));
  return lr === undefined ? undefined : { width: 'target', tests: 'lr', values: { ...best.values, lr } };
}

/** Trials that are still to come, at most. */
export const trialsLeft = ({ budget, trials, target }: Searched): number =>
  Math.max(0, budget.source - trialsAt({ trials }, 'source').length) +
  (target ? Math.max(0, budget.target - trialsAt({ trials }, 'target').length) : 0);

/** The points of the curve of loss over learning rate at a width, by rate. Trials that diverged have no loss. */
export function rateCurve(
  { trials }: Pick<Tuning, 'trials'>,
  width: TrialWidth,
): readonly { readonly lr: number; readonly loss: number; readonly isFinished: boolean }[] {
  return trialsAt({ trials }, width)
    .filter(({ tests }) => tests === 'lr')
    .flatMap((trial) => {
      const loss = lossOf(trial);
      return loss === null ? [] : [{ lr: trial.values.lr, loss, isFinished: trial.end === 'finished' }];
    })
    .sort((a, b) => a.lr - b.lr);
}
