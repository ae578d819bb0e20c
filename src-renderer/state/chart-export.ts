/** @file Exports a chart: its data as CSV, its lines as SVG, its canvas as PNG. */
import type uPlot from 'uplot';
import { labelTicks, type TickFormat } from './tick-labels.ts';

/** The columns of `data` as CSV with a header line. Missing values are empty. */
export function formatCsv(data: uPlot.AlignedData, names: readonly string[]): string {
  const rows = Array.from(data[0], (_, i) => data.map((column) => formatCell(column[i])).join(','));
  return `${[names.map(quoteCell).join(','), ...rows].join('\n')}\n`;
}

const quoteCell = (name: string): string => (/[",\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name);

const formatCell = (value: number | null | undefined): string =>
  value === null || value === undefined || Number.isNaN(value) ? '' : String(value);

export interface ChartLine {
  readonly label: string;
  readonly colour: string;
  readonly width: number;
  readonly points?: boolean;
  readonly dash?: readonly number[];
}
interface Bounds {
  readonly min: number;
  readonly max: number;
}
export interface ChartImage {
  readonly title: string;
  readonly xLabel: string;
  readonly lines: readonly ChartLine[];
  readonly logY: boolean;
  readonly ink: string;
  readonly background: string;
  /** The part of each axis that is visible. */
  readonly x: Bounds;
  readonly y: Bounds;
  readonly formatX: TickFormat;
  readonly formatY: TickFormat;
}

const width = 960;
const height = 540;
const margin = { left: 72, right: 24, top: 48, bottom: 64 } as const;
const plotWidth = width - margin.left - margin.right;
const plotHeight = height - margin.top - margin.bottom;

/** The visible part of the data as an SVG document with axes and a legend. */
export function renderSvg(data: uPlot.AlignedData, image: ChartImage): string {
  const { title, xLabel, lines, logY, ink, background, x, y, formatX, formatY } = image;
  const scale = logY ? Math.log : (value: number): number => value;
  const toX = (value: number): number => margin.left + ((value - x.min) / (x.max - x.min || 1)) * plotWidth;
  const toY = (value: number): number => {
    const share = (scale(value) - scale(y.min)) / (scale(y.max) - scale(y.min) || 1);
    return height - margin.bottom - share * plotHeight;
  };
  const renderYTick = (value: number, text: string): string => {
    const lineY = toY(value).toFixed(1);
    const line = `x1="${margin.left}" x2="${width - margin.right}" y1="${lineY}" y2="${lineY}"`;
    const label = `x="${margin.left - 8}" y="${(toY(value) + 4).toFixed(1)}" text-anchor="end"`;
    return `<line ${line} stroke="${ink}" stroke-opacity="0.15"/><text ${label}>${escape(text)}</text>`;
  };
  const renderXTick = (value: number, text: string): string => {
    const position = `x="${toX(value).toFixed(1)}" y="${height - margin.bottom + 20}"`;
    return `<text ${position} text-anchor="middle">${escape(text)}</text>`;
  };
  const renderLine = (line: ChartLine, i: number): string => {
    const points = Array.from(data[0]).flatMap((xValue, j) => {
      const value = data[i + 1]?.[j];
      const isVisible = xValue >= x.min && xValue <= x.max;
      return typeof value === 'number' && Number.isFinite(value) && isVisible
        ? [[toX(xValue).toFixed(1), toY(value).toFixed(1)] as const]
        : [];
    });
    return line.points ? renderPoints(points, line) : renderPolyline(points, line);
  };
  return [
    `<svg ${svgAttributes} fill="${ink}">`,
    `<title>${escape(title)}</title><rect width="100%" height="100%" fill="${background}"/>`,
    `<text x="${margin.left}" y="26" font-size="15" font-weight="600">${escape(title)}</text>`,
    ...renderTicks(ticks(y, 5, logY), formatY, renderYTick),
    ...renderTicks(ticks(x, 6, false), formatX, renderXTick),
    `<text ${xLabelPosition} text-anchor="middle">${escape(xLabel)}</text>`,
    ...lines.map(renderLine),
    ...lines.map(renderLegendEntry),
    '</svg>',
    '',
  ].join('\n');
}

const svgAttributes = [
  `xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"`,
  'font-family="system-ui, sans-serif" font-size="12"',
].join(' ');
const xLabelPosition = `x="${margin.left + plotWidth / 2}" y="${height - margin.bottom + 38}"`;

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');

function renderTicks(
  values: readonly number[],
  format: TickFormat,
  render: (value: number, text: string) => string,
): readonly string[] {
  const labels = labelTicks(values, format);
  return values.map((value, i) => render(value, labels[i]!));
}

/** `count` + 1 values from `min` to `max`, evenly spaced on the scale. */
function ticks({ min, max }: Bounds, count: number, isLog: boolean): readonly number[] {
  return Array.from({ length: count + 1 }, (_, i) => {
    if (isLog) return Math.exp(Math.log(min) + ((Math.log(max) - Math.log(min)) * i) / count);
    return min + ((max - min) * i) / count;
  });
}

type Points = readonly (readonly [x: string, y: string])[];

const renderPoints = (points: Points, { colour }: ChartLine): string =>
  points.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="3" fill="none" stroke="${colour}"/>`).join('');

function renderPolyline(points: Points, { colour, width: stroke, dash }: ChartLine): string {
  const dashes = dash ? ` stroke-dasharray="${dash.join(' ')}"` : '';
  const path = points.map((point) => point.join(',')).join(' ');
  return `<polyline fill="none" stroke="${colour}" stroke-width="${stroke}"${dashes} points="${path}"/>`;
}

function renderLegendEntry({ label, colour }: ChartLine, i: number): string {
  const position = `translate(${margin.left + (i % 5) * 175} ${height - 12})`;
  const swatch = `<rect y="-9" width="12" height="10" fill="${colour}"/>`;
  return `<g transform="${position}">${swatch}<text x="18">${escape(label)}</text></g>`;
}

/** Downloads `content` as a file. */
export function downloadFile(name: string, content: Blob): void {
  const link = document.createElement('a');
  const url = URL.createObjectURL(content);
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 10_000);
}

/** A canvas as PNG on a background, because its own is transparent. */
export function renderPng(canvas: HTMLCanvasElement, background: string): Promise<Blob> {
  const copy = document.createElement('canvas');
  const context = copy.getContext('2d')!;
  copy.width = canvas.width;
  copy.height = canvas.height;
  context.fillStyle = background;
  context.fillRect(0, 0, copy.width, copy.height);
  context.drawImage(canvas, 0, 0);
  return new Promise((resolve, reject) => {
    copy.toBlob((blob) => {
      if (blob) resolve(blob);
      else reject(new Error('the canvas could not be encoded as PNG'));
    }, 'image/png');
  });
}
