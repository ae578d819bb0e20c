/** @file The geometry of a line chart with logarithmic axes, which the page and the report draw. */

export interface LogPoint {
  readonly x: number;
  readonly y: number;
  /** A point that is drawn hollow. Default: false. */
  readonly isHollow?: boolean;
}
export interface LogLine {
  readonly name: string;
  readonly points: readonly LogPoint[];
}

export interface ChartSize {
  readonly width: number;
  readonly height: number;
}

interface Tick {
  /** In units of the drawing. */
  readonly at: number;
  readonly value: number;
}

/** A chart in units of its drawing; y grows downwards. */
export interface ChartLayout extends ChartSize {
  readonly plot: {
    readonly left: number;
    readonly right: number;
    readonly top: number;
    readonly bottom: number;
  };
  readonly lines: readonly LogLine[];
  readonly xTicks: readonly Tick[];
  readonly yTicks: readonly Tick[];
}

const margins = { left: 58, right: 12, top: 12, bottom: 40 };
/** Room beyond the first and the last point, as a share of the range. */
const padding = 0.05;

interface Scale {
  at(value: number): number;
  readonly ticks: readonly Tick[];
}

/** Values to mark: those given, or the powers of ten and their halves that the range holds, or its ends. */
function tickValues(low: number, high: number): readonly number[] {
  const powers: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
    powers.push(...[1, 2, 5].map((digit) => digit * 10 ** power));
  const inside = powers.filter((value) => value >= low * 0.999 && value <= high * 1.001);
  if (inside.length < 2) return high - low < 1e-9 * high ? [low] : [low, Math.sqrt(low * high), high];
  return inside.length > 7 ? inside.filter((value) => /^1/.test(value.toExponential())) : inside;
}

function scaleOf(values: readonly number[], from: number, to: number, marks?: readonly number[]): Scale {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [first, last] = [Math.log(low), Math.log(high)];
  const room = Math.max((last - first) * padding, 0.02);
  const start = first - room;
  const length = last + room - start;
  const at = (value: number): number => from + ((Math.log(value) - start) / length) * (to - from);
  return { at, ticks: (marks ?? tickValues(low, high)).map((value) => ({ at: at(value), value })) };
}

/** The layout of lines with positive values; undefined without any. `xMarks` are the values that the x axis names. */
export function layoutLogChart(
  lines: readonly LogLine[],
  { width, height }: ChartSize,
  xMarks?: readonly number[],
): ChartLayout | undefined {
  const points = lines.flatMap((line) => line.points).filter(({ x, y }) => x > 0 && y > 0);
  if (points.length === 0) return undefined;
  const plot = {
    left: margins.left,
    right: width - margins.right,
    top: margins.top,
    bottom: height - margins.bottom,
  };
  const xs = scaleOf(
    points.map(({ x }) => x),
    plot.left,
    plot.right,
    xMarks,
  );
  const ys = scaleOf(
    points.map(({ y }) => y),
    plot.bottom,
    plot.top,
  );
  return {
    width,
    height,
    plot,
    xTicks: xs.ticks,
    yTicks: ys.ticks,
    lines: lines.map(({ name, points: own }) => ({
      name,
      points: own
        .filter(({ x, y }) => x > 0 && y > 0)
        .map((point) => ({ ...point, x: xs.at(point.x), y: ys.at(point.y) })),
    })),
  };
}
