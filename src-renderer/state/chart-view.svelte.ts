/** @file How the charts of a page are shown: their x axis, zoom, smoothing and scale. All of them share it. */
import type { AxisPart } from './chart-columns.ts';
import { chartAxes, type ChartAxis, type XAxis } from './chart-axes.ts';

export class ChartView {
  axisId = $state<XAxis>('steps');
  /** The part of the x axis that is shown; null: all of it. */
  zoom = $state.raw<AxisPart | null>(null);
  /** Decay of the moving average of the loss. */
  smoothing = $state(0.8);
  logY = $state(false);
  showsForecast = $state(true);
  showsMarks = $state(true);
  axis = $derived<ChartAxis>(chartAxes.find((kind) => kind.id === this.axisId)!);

  constructor(axisId: XAxis = 'steps') {
    this.axisId = axisId;
  }

  /** Changes the x axis, and shows all of it. */
  setAxis(axisId: XAxis): void {
    this.axisId = axisId;
    this.zoom = null;
  }
}
