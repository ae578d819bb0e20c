/** @file Builds the data of a run's charts, thinned to what a screen can show, over any x axis. */
import uPlot from 'uplot';
import { bandAt, type Forecast } from '../../src-main/cost/forecast.ts';
import { countBelow, countUpTo } from '../../src-main/base/sorted.ts';
import type { StepEvent } from '../../src-main/train/run.ts';
import { valuesAlong, type AxisColumns, type XAxis } from './chart-axes.ts';
import type { RunView } from './run-view.svelte.ts';
import { Column, smooth, thin } from './series.ts';

export type { StepEvent } from '../../src-main/train/run.ts';

const maxPoints = 3000;
const forecastSegments = 24;
/** Smoothing of a run in a comparison. */
const comparisonSmoothing = 0.9;

export interface AxisPart {
  readonly min: number;
  readonly max: number;
}
/** The part of the x axis that is zoomed into, with its steps if the view has only some of them. */
export interface ZoomedPart extends AxisPart {
  readonly steps: readonly StepEvent[];
}

/** x, raw loss, smoothed loss and held-out loss. Of a part of the axis, its points and one on either side. */
export function buildLossData(
  view: RunView,
  axis: XAxis,
  smoothing: number,
  part?: ZoomedPart,
): uPlot.AlignedData {
  const columns = part && part.steps.length > 0 ? insertSteps(view, part.steps) : view;
  const xValues = valuesAlong(view, axis, columns);
  const [from, to] = part ? indicesWithin(xValues, part) : [0, xValues.length];
  const indices = thin(columns.loss.values.subarray(from, to), maxPoints).map((i) => from + i);
  const x = pick(xValues, indices);
  const raw = pick(columns.loss.values, indices);
  const smoothed = pick(smooth(columns.loss.values, smoothing), indices);
  if (view.heldOut.length === 0) return toAligned([x, raw, smoothed, x.map(() => Number.NaN)]);
  const heldOutX = valuesAlong(view, axis, heldOutColumns(view));
  return uPlot.join([toAligned([x, raw, smoothed]), [heldOutX.slice(), view.heldOut.values.slice()]]);
}

const pick = (values: Float64Array, indices: Uint32Array): Float64Array =>
  Float64Array.from(indices, (i) => values[i]!);

/** uPlot marks a missing value with null. */
const toNullable = (values: ArrayLike<number | null | undefined>): (number | null)[] =>
  Array.from(values, (v) => (typeof v === 'number' && Number.isFinite(v) ? v : null));

const toAligned = (columns: readonly ArrayLike<number>[]): uPlot.AlignedData =>
  columns.map(toNullable) as unknown as uPlot.AlignedData;

/** First and last (exclusive) index of the ascending `values` in a part of the axis, and one on either side. */
const indicesWithin = (values: Float64Array, { min, max }: AxisPart): readonly [from: number, to: number] => [
  Math.max(0, countBelow(values, min) - 1),
  Math.min(values.length, countUpTo(values, max) + 1),
];

/** The range of steps in a part of the axis, or null if the view has all of them. */
export function findMissingSteps(
  view: RunView,
  axis: XAxis,
  part: AxisPart,
): { readonly from: number; readonly to: number } | null {
  const [first, end] = indicesWithin(valuesAlong(view, axis, view), part);
  const last = end - 1;
  if (last <= first) return null;
  const from = view.steps.at(first);
  const to = view.steps.at(last);
  return to - from > last - first ? { from, to } : null;
}

interface StepColumns extends AxisColumns {
  readonly loss: Column;
}

/**
 * The steps of the view, with `inserted` in place of those between its first and last step. Inserted steps do
 * not know the elapsed time; it is spread evenly over them.
 */
function insertSteps({ steps, tokens, time, loss }: RunView, inserted: readonly StepEvent[]): StepColumns {
  const out = { steps: new Column(), tokens: new Column(), time: new Column(), loss: new Column() };
  const copy = (i: number): void => {
    out.steps.push(steps.at(i));
    out.tokens.push(tokens.at(i));
    out.time.push(time.at(i));
    out.loss.push(loss.at(i));
  };
  const before = countBelow(steps.values, inserted[0]!.step);
  const after = countUpTo(steps.values, inserted.at(-1)!.step);
  for (let i = 0; i < before; i++) copy(i);
  const startStep = before > 0 ? steps.at(before - 1) : 0;
  const startTime = before > 0 ? time.at(before - 1) : 0;
  const end = Math.max(0, after - 1);
  const secondsPerStep = (time.at(end) - startTime) / Math.max(1, steps.at(end) - startStep);
  for (const event of inserted) {
    out.steps.push(event.step);
    out.tokens.push(event.tokens);
    out.time.push(startTime + secondsPerStep * (event.step - startStep));
    out.loss.push(event.loss);
  }
  for (let i = after; i < steps.length; i++) copy(i);
  return out;
}

const heldOutColumns = (view: RunView): AxisColumns => ({
  steps: view.heldOutSteps,
  tokens: view.heldOutTokens,
  time: view.heldOutTime,
});

/** The loss of a run that is compared: the held-out loss, or the smoothed training loss. */
export type ComparedLoss = 'held-out' | 'training';

export interface CurveOptions {
  /** Default: the held-out loss, or the training loss if the run was evaluated less than twice. */
  readonly loss?: ComparedLoss | undefined;
  /** Decay of the moving average of the training loss. */
  readonly smoothing?: number | undefined;
}

export const defaultLossOf = (view: RunView): ComparedLoss =>
  view.heldOut.length > 1 ? 'held-out' : 'training';

/** x and one loss of a run. */
export function buildCurveData(
  view: RunView,
  axis: XAxis,
  { loss: kind = defaultLossOf(view), smoothing = comparisonSmoothing }: CurveOptions = {},
): uPlot.AlignedData {
  if (kind === 'held-out')
    return [valuesAlong(view, axis, heldOutColumns(view)).slice(), view.heldOut.values.slice()];
  const indices = thin(view.loss.values, maxPoints);
  const x = pick(valuesAlong(view, axis, view), indices);
  const loss = pick(smooth(view.loss.values, smoothing), indices);
  return [x, toNullable(loss)] as unknown as uPlot.AlignedData;
}

/** Steps and memory, power or utilisation of the device. */
export const buildUsageData = (
  view: RunView,
  what: 'memory' | 'watts' | 'utilisation',
): uPlot.AlignedData => [
  view.usages.map((usage) => usage.step),
  toNullable(view.usages.map((usage) => usage[what])),
];

/** x and tokens per second. */
export function buildSpeedData(view: RunView, axis: XAxis, tokensPerStep: number): uPlot.AlignedData {
  const [x, seconds] = buildColumnData(view, 'seconds', axis);
  const speeds = Array.from(seconds!, (s) => (s === null || s === undefined ? s : tokensPerStep / s));
  return [x, toNullable(speeds)] as unknown as uPlot.AlignedData;
}

/** x and one column. */
export function buildColumnData(
  view: RunView,
  column: 'lr' | 'gradNorm' | 'seconds' | 'updateRatio',
  axis: XAxis,
): uPlot.AlignedData {
  const { values } = view[column];
  const indices = thin(values, maxPoints);
  const x = pick(valuesAlong(view, axis, view), indices);
  return [x, toNullable(pick(values, indices))] as unknown as uPlot.AlignedData;
}

/** Steps and the asymmetry of copies. */
export const buildAsymmetryData = (view: RunView): uPlot.AlignedData => [
  view.asymmetrySteps.values.slice(),
  view.asymmetry.values.slice(),
];

/** Adds three columns from the newest step to the last: low, middle and high of the forecast. */
export function addForecast(
  data: uPlot.AlignedData,
  view: RunView,
  axis: XAxis,
  forecast: Forecast | undefined,
): uPlot.AlignedData {
  const from = view.step;
  const to = view.started?.steps ?? from;
  if (!forecast || view.steps.length === 0 || to <= from) return addEmptyColumns(data, 3);
  const steps = Array.from({ length: forecastSegments + 1 }, (_, i) =>
    Math.round(from + ((to - from) * i) / forecastSegments),
  ).filter((step, i, all) => step !== all[i - 1]);
  const x = extrapolateAxis(view, axis, steps);
  const band = steps.map((step) => bandAt(forecast, step));
  return uPlot.join([data, [x, band.map((b) => b.low), band.map((b) => b.loss), band.map((b) => b.high)]]);
}

/** The x values of steps that are still to come. */
function extrapolateAxis(view: RunView, axis: XAxis, steps: readonly number[]): number[] {
  const from = view.step;
  switch (axis) {
    case 'steps':
      return [...steps];
    case 'tokens': {
      const tokensPerStep = view.tokens.at(-1) / Math.max(1, view.steps.at(-1));
      return steps.map((step) => step * tokensPerStep);
    }
    case 'time': {
      const secondsPerStep = view.time.at(-1) / Math.max(1, view.time.length);
      return steps.map((step) => view.time.at(-1) + (step - from) * secondsPerStep);
    }
    default: {
      const values = valuesAlong(view, axis, view);
      const slope = values.length > 0 ? values.at(-1)! / Math.max(1, from) : Number.NaN;
      return steps.map((step) => step * slope);
    }
  }
}

const addEmptyColumns = (data: uPlot.AlignedData, count: number): uPlot.AlignedData => {
  const columns = Array.from({ length: count }, () => Array.from(data[0], () => null));
  return [...data, ...columns] as uPlot.AlignedData;
};

/** Adds the curve of another run as a column. */
export function addCurve(
  data: uPlot.AlignedData,
  other: RunView,
  axis: XAxis,
  options?: CurveOptions,
): uPlot.AlignedData {
  const curve = buildCurveData(other, axis, options);
  return curve[0].length > 0 ? uPlot.join([data, curve]) : addEmptyColumns(data, 1);
}

/** Adds a constant column. */
export const addLevel = (data: uPlot.AlignedData, level: number | null): uPlot.AlignedData =>
  [...data, Array.from(data[0], () => level)] as uPlot.AlignedData;
