/** @file What the charts of a run draw: its series thinned to what a screen can show, over any axis. */
import uPlot from 'uplot';
import { bandAt, type Forecast } from '../../src-main/cost/forecast.ts';
import { countBelow, countUpTo } from '../../src-main/base/sorted.ts';
import type { RunEvent } from '../../src-main/contract/schema.ts';
import { along, type XAxis } from './chart-axes.ts';
import type { Reading } from '../../src-main/train/run.ts';
import type { RunView } from './run.svelte.ts';
import { Column, smoothed, thinned } from './series.ts';

const drawnPoints = 3000;
const bandPoints = 24;

const pick = (values: Float64Array, at: Uint32Array): Float64Array =>
  Float64Array.from(at, (i) => values[i]!);

/**
 * A part of the x axis that is looked at closely, and the steps in it where the view has only some of them.
 */
export interface Closely {
  readonly min: number;
  readonly max: number;
  readonly steps: readonly StepEvent[];
}
export type StepEvent = Extract<RunEvent, { at: 'step' }>;

/** x, raw loss, smoothed loss, held-out loss; of a part of the axis, its points and one on either side. */
export function lossData(
  view: RunView,
  over: XAxis,
  smoothing: number,
  closely?: Closely,
): uPlot.AlignedData {
  const columns = closely && closely.steps.length > 0 ? refined(view, closely.steps) : view;
  const all = along(view, over, columns);
  const [from, to] = closely ? within(all, closely) : [0, all.length];
  const at = thinned(columns.loss.values.subarray(from, to), drawnPoints).map((i) => from + i);
  const x = pick(all, at);
  const main: uPlot.AlignedData = [
    x,
    pick(columns.loss.values, at),
    pick(smoothed(columns.loss.values, smoothing), at),
  ];
  if (view.heldOut.length === 0)
    return [...main, Float64Array.from(x, () => Number.NaN)].map(gaps) as unknown as uPlot.AlignedData;
  return uPlot.join([
    main.map(gaps) as unknown as uPlot.AlignedData,
    [along(view, over, heldOutOf(view)).slice(), view.heldOut.values.slice()],
  ]);
}

/**
 * Where a part of an axis begins and ends (exclusive) among ascending `values`, with one value on either
 * side.
 */
const within = (
  values: Float64Array,
  { min, max }: { readonly min: number; readonly max: number },
): readonly [from: number, to: number] => [
  Math.max(0, countBelow(values, min) - 1),
  Math.min(values.length, countUpTo(values, max) + 1),
];

/** The steps that lie in a part of the axis, or null when the view has each of them. */
export function missingIn(
  view: RunView,
  over: XAxis,
  part: { readonly min: number; readonly max: number },
): { readonly from: number; readonly to: number } | null {
  const [first, end] = within(along(view, over, view), part);
  const last = end - 1;
  if (last <= first) return null;
  const from = view.steps.at(first);
  const to = view.steps.at(last);
  return to - from > last - first ? { from, to } : null;
}

interface Steps {
  readonly steps: Column;
  readonly tokens: Column;
  readonly time: Column;
  readonly loss: Column;
}

/**
 * The view's steps, with `stretch` in place of those between its first and its last. Time, which a stretch
 * alone does not know, goes evenly from the step before to the last.
 */
function refined({ steps, tokens, time, loss }: RunView, stretch: readonly StepEvent[]): Steps {
  const out = { steps: new Column(), tokens: new Column(), time: new Column(), loss: new Column() };
  const old = (i: number): void => {
    out.steps.push(steps.at(i));
    out.tokens.push(tokens.at(i));
    out.time.push(time.at(i));
    out.loss.push(loss.at(i));
  };
  const before = countBelow(steps.values, stretch[0]!.step);
  const after = countUpTo(steps.values, stretch.at(-1)!.step);
  for (let i = 0; i < before; i++) old(i);
  const [start, since] = before > 0 ? [steps.at(before - 1), time.at(before - 1)] : [0, 0];
  const end = Math.max(0, after - 1);
  const pace = (time.at(end) - since) / Math.max(1, steps.at(end) - start);
  for (const event of stretch) {
    out.steps.push(event.step);
    out.tokens.push(event.tokens);
    out.time.push(since + pace * (event.step - start));
    out.loss.push(event.loss);
  }
  for (let i = after; i < steps.length; i++) old(i);
  return out;
}

/** Where the held-out losses lie. */
const heldOutOf = (view: RunView): Parameters<typeof along>[2] => ({
  steps: view.heldOutSteps,
  tokens: view.heldOutTokens,
  time: view.heldOutTime,
});

/** The smoothing of a run that is seen beside others. */
const besideSmoothing = 0.9;

/** Held-out losses over an axis; the smoothed losses of batches where there are none. */
export function curveData(view: RunView, over: XAxis, smoothing = besideSmoothing): uPlot.AlignedData {
  if (view.heldOut.length > 1)
    return [along(view, over, heldOutOf(view)).slice(), view.heldOut.values.slice()];
  const at = thinned(view.loss.values, drawnPoints);
  return [
    pick(along(view, over, view), at),
    gaps(pick(smoothed(view.loss.values, smoothing), at)),
  ] as unknown as uPlot.AlignedData;
}

/** Steps and what the device held or drew at them. */
export const readingData = (view: RunView, what: 'memory' | 'watts' | 'utilisation'): uPlot.AlignedData =>
  [
    view.readings.map((r) => r.step),
    gaps(view.readings.map((r: Reading) => r[what])),
  ] as unknown as uPlot.AlignedData;

/** x and tokens per second. */
export function speedData(view: RunView, over: XAxis, tokensPerStep: number): uPlot.AlignedData {
  const at = thinned(view.seconds.values, drawnPoints);
  return [
    pick(along(view, over, view), at),
    gaps(pick(view.seconds.values, at).map((s) => tokensPerStep / s)),
  ] as unknown as uPlot.AlignedData;
}

/** x and one column. */
export function columnData(
  view: RunView,
  column: 'lr' | 'norm' | 'seconds' | 'ratio',
  over: XAxis,
): uPlot.AlignedData {
  const at = thinned(view[column].values, drawnPoints);
  return [
    pick(along(view, over, view), at),
    gaps(pick(view[column].values, at)),
  ] as unknown as uPlot.AlignedData;
}

/** Steps and how far copies of grown weights lie apart. */
export const asymmetryData = (view: RunView): uPlot.AlignedData => [
  view.asymmetrySteps.values.slice(),
  view.asymmetry.values.slice(),
];

/**
 * The loss with the band in which it is expected, from the newest step to the last: three columns more,
 * least, middle, most.
 */
export function withForecast(
  data: uPlot.AlignedData,
  view: RunView,
  over: XAxis,
  forecast: Forecast,
): uPlot.AlignedData {
  const from = view.step;
  const to = view.started?.steps ?? from;
  const perStep = view.tokens.at(-1) / Math.max(1, view.steps.at(-1));
  const pace = view.time.at(-1) / Math.max(1, view.time.length);
  if (view.steps.length === 0 || to <= from)
    return [...data, ...[0, 1, 2].map(() => Array.from(data[0], () => null))] as uPlot.AlignedData;
  const steps = Array.from({ length: bandPoints + 1 }, (_, i) =>
    Math.round(from + ((to - from) * i) / bandPoints),
  ).filter((t, i, all) => t !== all[i - 1]);
  const ends = along(view, over, view);
  const slope = ends.length > 0 ? ends.at(-1)! / Math.max(1, from) : Number.NaN;
  const x = steps.map((t) =>
    over === 'steps'
      ? t
      : over === 'tokens'
        ? t * perStep
        : over === 'time'
          ? view.time.at(-1) + (t - from) * pace
          : t * slope,
  );
  const band = steps.map((t) => bandAt(forecast, t));
  return uPlot.join([
    data,
    [x, band.map((b) => b.low), band.map((b) => b.loss), band.map((b) => b.high)] as uPlot.AlignedData,
  ]);
}

/** With the curve of another run as one column more. */
export const withCurve = (
  data: uPlot.AlignedData,
  other: RunView,
  over: XAxis,
  smoothing?: number,
): uPlot.AlignedData => {
  const curve = curveData(other, over, smoothing);
  return curve[0].length > 0
    ? uPlot.join([data, curve])
    : ([...data, Array.from(data[0], () => null)] as uPlot.AlignedData);
};

/** With the same value everywhere as one column more. */
export const withLevel = (data: uPlot.AlignedData, level: number): uPlot.AlignedData =>
  [...data, Array.from(data[0], () => level)] as uPlot.AlignedData;

/** uPlot's word for "nothing here" is null. */
const gaps = (values: ArrayLike<number | null | undefined>): (number | null)[] =>
  Array.from(values, (v) => (typeof v === 'number' && Number.isFinite(v) ? v : null));
