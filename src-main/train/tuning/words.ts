/** @file What a tuning says in words and charts, for the page, the command line and the report. */
import { formatCount, formatFactor, formatNumber, formatPercent } from '../../base/format.ts';
import { flatExponent, largestExponent } from './coordinates.ts';
import type { LogLine } from './log-chart.ts';
import type { MupMultiplier } from '../mup.ts';
import { rateCurve } from './search.ts';
import {
  bestTrial,
  lossOf,
  shiftOf,
  type CoordinateCheck,
  type Coordinates,
  type Trial,
  type TrialWidth,
  type Tuning,
} from './tuning.ts';

const valueNames: Readonly<Record<string, string>> = {
  lr: 'learning rate',
  weightDecay: 'weight decay',
  warmup: 'warmup',
};

/** The name of a hyperparameter. */
export const nameOfValue = ({ options }: Pick<Tuning, 'options'>, id: string): string =>
  valueNames[id] ?? options.find((option) => option.id === id)?.label ?? id;

/** A value of a hyperparameter; the warmup is a share of the steps. */
export const formatValue = (id: string, value: number): string =>
  id === 'warmup' ? formatPercent(value, 0) : formatNumber(value, 3);

/** Every hyperparameter of a trial, in order. */
export const listValues = (
  tuning: Pick<Tuning, 'options'>,
  { values }: Pick<Trial, 'values'>,
): readonly { readonly name: string; readonly value: string }[] =>
  Object.entries(values).map(([id, value]) => ({
    name: nameOfValue(tuning, id),
    value: formatValue(id, value),
  }));

/** How a trial ended. */
export function describeEnd(trial: Trial): string {
  const loss = lossOf(trial);
  if (loss === null) return 'diverged';
  const step = trial.rungs.at(-1)!.step;
  return trial.end === 'stopped' ? `stopped at step ${step}, ${loss.toFixed(4)}` : loss.toFixed(4);
}

export const widthLabels: Readonly<Record<TrialWidth, string>> = { source: 'Source', target: 'Grown' };

/** The model of a width, such as `Source, 128 wide, 1.2 M`. */
export function describeWidth(tuning: Tuning, width: TrialWidth): string {
  const { width: size, parameters } = tuning[width]!;
  return `${widthLabels[width]}, ${size} wide, ${formatCount(parameters)} parameters`;
}

/** The curves of loss over learning rate, one for each width. */
export const listRateCurves = (tuning: Tuning): readonly LogLine[] =>
  (tuning.target ? (['source', 'target'] as const) : (['source'] as const)).map((width) => ({
    name: describeWidth(tuning, width),
    points: rateCurve(tuning, width).map(({ lr, loss, isFinished }) => ({
      x: lr,
      y: loss,
      isHollow: !isFinished,
    })),
  }));

/** Whether the best rate stays at the grown width; undefined without trials there. */
export function describeShift(tuning: Tuning): string | undefined {
  const shift = shiftOf(tuning);
  if (shift === undefined) return undefined;
  const away = Math.max(shift, 1 / shift);
  if (away <= 2 + 1e-9)
    return `The grown model’s best rate is ${formatFactor(shift)} of the source’s: it stays, as µP promises.`;
  return (
    `The grown model’s best rate is ${formatFactor(shift)} of the source’s. It moved by more than a factor of two: ` +
    'take the rate of the grown model, or tune with longer trials.'
  );
}

const carriers: Readonly<Record<MupMultiplier['carriedBy'], string>> = {
  none: 'is 1 at these sizes',
  embedding: 'is in the token embedding',
  head: 'is in the weight of the head',
  norm: 'is in the norm before the tied head',
  'queries and keys': 'is in the weights of queries and keys',
  missing: 'is not kept, because no weight of the family can carry it',
};

/** Which parts of µP the largest model has. */
export const describeMultipliers = ({ multipliers }: Pick<Tuning, 'multipliers'>): readonly string[] => [
  'Initial values of random weights and the rates of AdamW follow µP.',
  ...multipliers.map(
    ({ what, value, carriedBy }) =>
      `The ${what} multiplier (${formatNumber(value, 3)}) ${carriers[carriedBy]}.`,
  ),
];

/** A tick of a chart: a whole number as it is, anything else with three digits. */
export const formatTick = (value: number): string =>
  Number.isInteger(value) ? String(value) : formatNumber(value, 3);

/** The key of a weight without what all keys share: `self_attn.q_proj`. */
const shortName = (key: string): string => key.replace(/^.*\{layer\}\./, '').replace(/\.weight$/, '');

/** The lines of one picture of the coordinate check. */
export const listCoordinates = (
  { widths }: CoordinateCheck,
  coordinates: readonly Coordinates[],
): readonly LogLine[] =>
  coordinates.map(({ name, scales }) => ({
    name: shortName(name),
    points: scales.map((scale, i) => ({ x: widths[i]!, y: scale })),
  }));

/** Whether activations stay flat over the width by µP. */
export const isFlat = ({ mup }: CoordinateCheck): boolean => largestExponent(mup) <= flatExponent;

export function describeCoordinates(check: CoordinateCheck): string {
  const [mup, standard] = [largestExponent(check.mup), largestExponent(check.standard)];
  const result = isFlat(check) ? 'stay flat' : 'grow';
  return (
    `By µP activations ${result} over the width: the fastest grows as width^${mup.toFixed(2)}. ` +
    `In the standard parametrisation it is width^${standard.toFixed(2)}.`
  );
}

/** The best trial of the source's width, in one sentence. */
export function describeBest(tuning: Tuning): string {
  const best = bestTrial(tuning, 'source');
  if (!best) return 'No trial has finished.';
  const values = listValues(tuning, best).map(({ name, value }) => `${name} ${value}`);
  return `Best: ${values.join(', ')} (held-out loss ${lossOf(best)!.toFixed(4)}).`;
}
