/** @file What the charts of a run draw: its series thinned to what a screen can show, over steps, tokens or time. */
import uPlot from 'uplot';
import type { RunView } from './run.svelte.ts';
import { smoothed, thinned } from './series.ts';

export type XAxis = 'steps' | 'tokens' | 'time';
const drawnPoints = 3000;

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

/** uPlot's word for "nothing here" is null. */
const gaps = (values: ArrayLike<number | null | undefined>): (number | null)[] => Array.from(values, (v) => (typeof v === 'number' && Number.isFinite(v) ? v : null));
