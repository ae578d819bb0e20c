/** @file A uPlot that draws nothing: the environment of the tests has no canvas. */
import type uPlot from 'uplot';

export default class FakePlot {
  /** Every x once, and the columns of all tables. */
  static join(all: readonly uPlot.AlignedData[]): uPlot.AlignedData {
    const x = [...new Set(all.flatMap(([xs]) => [...xs]))].sort((a, b) => a - b);
    const columns = all.flatMap(([xs, ...ys]) =>
      ys.map((y) => x.map((value) => y[[...xs].indexOf(value)] ?? null)),
    );
    return [x, ...columns];
  }
  over = document.createElement('div');
  scales = {};
  series = [];
  batch(change: (chart: unknown) => void): void {
    change(this);
  }
  setScale(): void {
    /* draws nothing */
  }
  redraw(): void {
    /* draws nothing */
  }
  setData(): void {
    /* draws nothing */
  }
  setSize(): void {
    /* draws nothing */
  }
  destroy(): void {
    /* draws nothing */
  }
}
