/** @file What the charts of a run draw: its series thinned to what a screen can show, over any axis. */
import uPlot from 'uplot';
import { bandAt, type Forecast } from '../../src-main/cost/forecast.ts';
import { along, type XAxis } from './chart-axes.ts';
import type { Reading } from '../../src-main/train/run.ts';
import type { RunView } from './run.svelte.ts';
import { smoothed, thinned } from './series.ts';

const drawnPoints = 3000, bandPoints = 24;

const pick = (values: Float64Array, at: Uint32Array): Float64Array => Float64Array.from(at, (i) => values[i]!);

/** x, raw loss, smoothed loss, held-out loss. */
export function lossData(view: RunView, over: XAxis, smoothing: number): uPlot.AlignedData {
  const at = thinned(view.loss.values, drawnPoints);
  const x = pick(along(view, over, view), at);
  const main: uPlot.AlignedData = [x, pick(view.loss.values, at), pick(smoothed(view.loss.values, smoothing), at)];
  if (view.heldOut.length === 0) return [...main, Float64Array.from(x, () => Number.NaN)].map(gaps) as unknown as uPlot.AlignedData;
  return uPlot.join([main.map(gaps) as unknown as uPlot.AlignedData, [along(view, over, heldOutOf(view)).slice(), view.heldOut.values.slice()]]);
}

/** Where the held-out losses lie. */
const heldOutOf = (view: RunView): Parameters<typeof along>[2] => ({ steps: view.heldOutSteps, tokens: view.heldOutTokens, time: view.heldOutTime });

/** Held-out losses over an axis; the smoothed losses of batches where there are none. */
export function curveData(view: RunView, over: XAxis, smoothing: number): uPlot.AlignedData {
  if (view.heldOut.length > 1) return [along(view, over, heldOutOf(view)).slice(), view.heldOut.values.slice()];
  const at = thinned(view.loss.values, drawnPoints);
  return [pick(along(view, over, view), at), gaps(pick(smoothed(view.loss.values, smoothing), at))] as unknown as uPlot.AlignedData;
}

/** Steps and what the device held or drew at them. */
export const readingData = (view: RunView, what: 'memory' | 'watts' | 'utilisation'): uPlot.AlignedData => [view.readings.map((r) => r.step), gaps(view.readings.map((r: Reading) => r[what]))] as unknown as uPlot.AlignedData;

/** x and tokens per second. */
export function speedData(view: RunView, over: XAxis, tokensPerStep: number): uPlot.AlignedData {
  const at = thinned(view.seconds.values, drawnPoints);
  return [pick(along(view, over, view), at), gaps(pick(view.seconds.values, at).map((s) => tokensPerStep / s))] as unknown as uPlot.AlignedData;
}

/** x and one column. */
export function columnData(view: RunView, column: 'lr' | 'norm' | 'seconds' | 'ratio', over: XAxis): uPlot.AlignedData {
  const at = thinned(view[column].values, drawnPoints);
  return [pick(along(view, over, view), at), gaps(pick(view[column].values, at))] as unknown as uPlot.AlignedData;
}

/** Steps and how far copies of grown weights lie apart. */
export const asymmetryData = (view: RunView): uPlot.AlignedData => [view.asymmetrySteps.values.slice(), view.asymmetry.values.slice()];

/** The loss with the band in which it is expected, from the newest step to the last: three columns more, least, middle, most. */
export function withForecast(data: uPlot.AlignedData, view: RunView, over: XAxis, forecast: Forecast): uPlot.AlignedData {
  const from = view.step, to = view.started?.steps ?? from, perStep = view.tokens.at(-1) / Math.max(1, view.steps.at(-1)), pace = view.time.at(-1) / Math.max(1, view.time.length);
  if (view.steps.length === 0 || to <= from) return [...data, ...[0, 1, 2].map(() => Array.from(data[0], () => null))] as uPlot.AlignedData;
  const steps = Array.from({ length: bandPoints + 1 }, (_, i) => Math.round(from + ((to - from) * i) / bandPoints)).filter((t, i, all) => t !== all[i - 1]);
  const ends = along(view, over, view), slope = ends.length > 0 ? ends.at(-1)! / Math.max(1, from) : Number.NaN;
  const x = steps.map((t) => (over === 'steps' ? t : over === 'tokens' ? t * perStep : over === 'time' ? view.time.at(-1) + (t - from) * pace : t * slope)), band = steps.map((t) => bandAt(forecast, t));
  return uPlot.join([data, [x, band.map((b) => b.low), band.map((b) => b.loss), band.map((b) => b.high)] as uPlot.AlignedData]);
}

/** uPlot's word for "nothing here" is null. */
const gaps = (values: ArrayLike<number | null | undefined>): (number | null)[] => Array.from(values, (v) => (typeof v === 'number' && Number.isFinite(v) ? v : null));
