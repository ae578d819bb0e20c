/** @file Options of a uPlot chart: axes, series, bands, marks, and labels at the ends of its lines. */
import type uPlot from 'uplot';
import { labelTicks, type TickFormat } from './tick-labels.ts';

export interface Line {
  readonly label: string;
  /** Name of a colour variable, such as `--accent`. */
  readonly colour: string;
  readonly width: number;
  readonly points?: boolean;
  readonly dash?: readonly number[];
  /** The label of another line; the area between both is filled. */
  readonly bandWith?: string;
  /** False for a line that the legend omits, such as the edge of a band. */
  readonly isInLegend?: boolean;
  /** True if the label is drawn at the end of the line. */
  readonly hasEndLabel?: boolean;
}

/** A vertical line. */
export interface ChartMark {
  readonly x: number;
  readonly colour: string;
}

export interface ChartSettings {
  readonly width: number;
  readonly height: number;
  readonly lines: readonly Line[];
  readonly logY: boolean;
  /** Ticks of x at whole numbers only. */
  readonly integerX: boolean;
  readonly formatX: TickFormat;
  readonly formatY: TickFormat;
  readonly readColour: (variable: string) => string;
  readonly marks: () => readonly ChartMark[];
  /** Charts with the same key share their crosshair. */
  readonly syncKey: string | undefined;
  readonly onSelect: (chart: uPlot) => void;
  readonly onCursor: (chart: uPlot) => void;
  /** Called for a press of the mouse; true if it is handled. */
  readonly onMouseDown: (chart: uPlot, event: MouseEvent) => boolean;
}

const integerIncrements = Array.from({ length: 14 }, (_, k) => [1, 2, 5].map((n) => n * 10 ** k)).flat();
const fontSize = 12;
/** Charts that are narrower have no labels at the ends of lines. */
const leastWidthOfLabels = 640;
const maxLabelLetters = 22;

export const shorten = (label: string): string =>
  label.length > maxLabelLetters ? `${label.slice(0, maxLabelLetters - 1)}…` : label;

const hasEndLabels = ({ width, lines }: ChartSettings): boolean =>
  width >= leastWidthOfLabels && lines.some((line) => line.hasEndLabel === true);

function createSeries(line: Line, { readColour }: ChartSettings): uPlot.Series {
  const hidesPoints = line.dash !== undefined || line.width === 0;
  const points = hidesPoints ? { show: false } : { size: 5 };
  const ownPoints = { show: true, size: 7, width: 1.5, fill: readColour('--surface') };
  return {
    label: line.label,
    stroke: readColour(line.colour),
    width: line.width,
    spanGaps: true,
    ...(line.dash ? { dash: [...line.dash] } : {}),
    points: line.points ? ownPoints : points,
  };
}

const createBands = ({ lines, readColour }: ChartSettings): uPlot.Band[] =>
  lines.flatMap((line, i): uPlot.Band[] => {
    if (line.bandWith === undefined) return [];
    const other = lines.findIndex(({ label }) => label === line.bandWith);
    const fill = `color-mix(in srgb, ${readColour(line.colour)} 16%, transparent)`;
    return [{ series: [i + 1, other + 1], fill }];
  });

function drawMarks({ ctx, bbox, valToPos }: uPlot, { marks, readColour }: ChartSettings): void {
  for (const { x, colour } of marks()) {
    const position = Math.round(valToPos(x, 'x', true));
    if (position < bbox.left || position > bbox.left + bbox.width) continue;
    ctx.save();
    ctx.strokeStyle = readColour(colour);
    ctx.globalAlpha = 0.45;
    ctx.beginPath();
    ctx.moveTo(position, bbox.top);
    ctx.lineTo(position, bbox.top + bbox.height);
    ctx.stroke();
    ctx.restore();
  }
}

/** The last visible value of a series that is in the range of y; undefined if there is none. */
function lastVisibleValue({ data, scales }: uPlot, series: number): number | undefined {
  const [x] = data;
  const { min = -Infinity, max = Infinity } = scales['x'] ?? {};
  for (let i = x.length - 1; i >= 0; i--) {
    const value = data[series]![i];
    if (typeof value === 'number' && x[i]! <= max && x[i]! >= min) return value;
  }
  return undefined;
}

/**
 * The places of labels at `wanted` heights, in ascending order, such that none overlaps another: each is moved down
 * as far as the one above it needs, and those that would leave the chart are moved up.
 */
export function placeLabels(
  wanted: readonly number[],
  { height, top, bottom }: { readonly height: number; readonly top: number; readonly bottom: number },
): readonly number[] {
  const places: number[] = [];
  for (const place of wanted) places.push(Math.max(place, top, (places.at(-1) ?? -Infinity) + height));
  let limit = bottom;
  for (let i = places.length - 1; i >= 0 && places[i]! > limit; i--) {
    places[i] = limit;
    limit -= height;
  }
  return places;
}

/** Draws labels at the ends of lines, none over another. */
function drawEndLabels(chart: uPlot, settings: ChartSettings): void {
  if (!hasEndLabels(settings)) return;
  const { ctx, bbox } = chart;
  const ratio = devicePixelRatio;
  const height = fontSize * ratio * 1.25;
  const labels = settings.lines
    .flatMap((line, i) => {
      const value =
        line.hasEndLabel && chart.series[i + 1]!.show ? lastVisibleValue(chart, i + 1) : undefined;
      return value === undefined ? [] : [{ line, y: chart.valToPos(value, 'y', true) }];
    })
    .sort((a, b) => a.y - b.y);
  ctx.save();
  ctx.font = `500 ${fontSize * ratio}px ${settings.readColour('--font')}`;
  ctx.textAlign = 'left';
  ctx.textBaseline = 'middle';
  const places = placeLabels(
    labels.map(({ y }) => y),
    { height, top: bbox.top, bottom: bbox.top + bbox.height },
  );
  for (const [i, { line }] of labels.entries()) {
    ctx.fillStyle = settings.readColour(line.colour);
    ctx.fillText(shorten(line.label), bbox.left + bbox.width + 6 * ratio, places[i]!);
  }
  ctx.restore();
}

/** The width of the longest label at the end of a line, in pixels. */
const widthOfEndLabels = ({ lines }: ChartSettings): number =>
  12 + 6.6 * Math.max(...lines.map((line) => (line.hasEndLabel ? shorten(line.label).length : 0)));

/** Shares the crosshair, but not the selection: the zoom is shared by the page. */
const createSync = (key: string): uPlot.Cursor.Sync => {
  const isCursor = (type: string): boolean => type === 'mousemove' || type === 'mouseleave';
  return { key, scales: ['x', null], setSeries: false, filters: { pub: isCursor, sub: isCursor } };
};

/** The width of an axis with these labels, in pixels. Most charts have the least, so that they line up. */
export const widthOfTicks = (labels: readonly string[]): number =>
  Math.max(58, 12 + 6.8 * Math.max(...labels.map((label) => label.length)));

export function createChartOptions(settings: ChartSettings): uPlot.Options {
  const { width, height, lines, logY, integerX, formatX, formatY, readColour, syncKey } = settings;
  const axis = {
    stroke: readColour('--quiet'),
    font: `${fontSize}px ${readColour('--font')}`,
    grid: { stroke: readColour('--grid'), width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height,
    legend: { show: false },
    padding: [8, hasEndLabels(settings) ? widthOfEndLabels(settings) : 12, 0, 0],
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: false },
      points: { size: 7 },
      ...(syncKey === undefined ? {} : { sync: createSync(syncKey) }),
      bind: {
        mousedown: (chart, _, select) => (event) => {
          if (!settings.onMouseDown(chart, event)) select(event);
          return null;
        },
      },
    },
    scales: { x: { time: false }, y: logY ? { distr: 3 } : {} },
    axes: [
      {
        ...axis,
        grid: { show: false },
        values: (_, splits) => labelTicks(splits, formatX),
        space: 70,
        size: 30,
        ...(integerX ? { incrs: integerIncrements } : {}),
      },
      {
        ...axis,
        values: (_, splits) => labelTicks(splits, formatY),
        size: (_, labels) => widthOfTicks(labels ?? []),
        space: height < 200 ? 30 : 40,
      },
    ],
    series: [{}, ...lines.map((line) => createSeries(line, settings))],
    bands: createBands(settings),
    hooks: {
      drawAxes: [
        (chart) => {
          drawMarks(chart, settings);
        },
      ],
      draw: [
        (chart) => {
          drawEndLabels(chart, settings);
        },
      ],
      setSelect: [settings.onSelect],
      setCursor: [settings.onCursor],
    },
  };
}
