/** @file What the charts of a run draw: its series thinned to what a screen can show, over steps, tokens or time. */
import uPlot from 'uplot';
import { bandAt, type Forecast } from '../../src-main/cost/forecast.ts';
import type { RunView } from './run.svelte.ts';
import { smoothed, thinned } from './series.ts';

export type XAxis = 'steps' | 'tokens' | 'time';
const drawnPoints = 3000, bandPoints = 24;

const pick = (values: Float64Array, at: Uint32Array): Float64Array => Float64Array.from(at, (i) => values[i]!);

/** x, raw loss, smoothed loss, held-out loss. */
export function lossData(view: RunView, over: XAxis, smoothing: number): uPlot.AlignedData {
  const at = thinned(view.loss.values, drawnPoints);
  const x = pick(view[over].values, at);
  const main: uPlot.AlignedData = [x, pick(view.loss.values, at), pick(smoothed(view.loss.values, smoothing), at)];
  const heldOutX = over === 'steps' ? view.heldOutSteps : over === 'tokens' ? view.heldOutTokens : view.heldOutTime;
  if (view.heldOut.length === 0) return [...main, Float64Array.from(x, () => Number.NaN)].map(gaps) as unknown as uPlot.AlignedData;
  return uPlot.join([main.map(gaps) as unknown as uPlot.AlignedData, [heldOutX.values.slice(), view.heldOut.values.slice()]]);
}

/** x and one column. */
export function columnData(view: RunView, column: 'lr' | 'norm' | 'seconds', over: XAxis): uPlot.AlignedData {
  const at = thinned(view[column].values, drawnPoints);
  return [pick(view[over].values, at), gaps(pick(view[column].values, at))] as unknown as uPlot.AlignedData;
}

/** Steps and how far copies of grown weights lie apart. */
export const asymmetryData = (view: RunView): uPlot.AlignedData => [view.asymmetrySteps.values.slice(), view.asymmetry.values.slice()];

/** The loss with the band in which it is expected, from the newest step to the last: three columns more, least, middle, most. */
export function withForecast(data: uPlot.AlignedData, view: RunView, over: XAxis, forecast: Forecast): uPlot.AlignedData {
  const from = view.step, to = view.started?.steps ?? from, perStep = view.tokens.at(-1) / Math.max(1, view.steps.at(-1)), pace = view.time.at(-1) / Math.max(1, view.time.length);
  if (view.steps.length === 0 || to <= from) return [...data, ...[0, 1, 2].map(() => Array.from(data[0], () => null))] as uPlot.AlignedData;
  const steps = Array.from({ length: bandPoints + 1 }, (_, i) => Math.round(from + ((to - from) * i) / bandPoints)).filter((t, i, all) => t !== all[i - 1]);
  const x = steps.map((t) => (over === 'steps' ? t : over === 'tokens' ? t * perStep : view.time.at(-1) + (t - from) * pace)), band = steps.map((t) => bandAt(forecast, t));
  return uPlot.join([data, [x, band.map((b) => b.low), band.map((b) => b.loss), band.map((b) => b.high)] as uPlot.AlignedData]);
}

/** uPlot's word for "nothing here" is null. */
const gaps = (values: ArrayLike<number | null | undefined>): (number | null)[] => Array.from(values, (v) => (typeof v === 'number' && Number.isFinite(v) ? v : null));
