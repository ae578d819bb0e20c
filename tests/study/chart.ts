/** @file Draws lines of loss over tokens or FLOPs as SVG, with a logarithmic axis. */
import { escapeHtml } from '../../src-main/base/html.ts';

export interface Line {
  readonly name: string;
  readonly color: string;
  /** Dashed lines are controls. */
  readonly isDashed?: boolean;
  /** At least one; a line of one point is a dot. */
  readonly points: readonly { readonly x: number; readonly loss: number }[];
}

export interface Chart {
  readonly title: string;
  readonly xLabel: string;
  readonly formatX: (x: number) => string;
  readonly lines: readonly Line[];
}

const width = 860;
const height = 420;
const [left, right, top, bottom] = [60, 230, 40, 54];
const labelHeight = 15;

interface Scales {
  readonly xs: readonly [number, number];
  readonly losses: readonly [number, number];
  x(value: number): number;
  y(loss: number): number;
}

function scalesOf(lines: readonly Line[]): Scales {
  const points = lines.flatMap((line) => line.points);
  const rangeOf = (values: readonly number[], pad: number): readonly [number, number] => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const margin = Math.max(high - low, 1e-3) * pad;
    return [low - margin, high + margin];
  };
  const logs = rangeOf(
    points.map(({ x }) => Math.log(x)),
    0.04,
  );
  const losses = rangeOf(
    points.map(({ loss }) => loss),
    0.06,
  );
  return {
    xs: [Math.exp(logs[0]), Math.exp(logs[1])],
    losses,
    x: (value) => left + ((Math.log(value) - logs[0]) / (logs[1] - logs[0])) * (width - left - right),
    y: (loss) => top + ((losses[1] - loss) / (losses[1] - losses[0])) * (height - top - bottom),
  };
}

/** 1, 2 and 5 times powers of ten within a range. */
function ticksOf([low, high]: readonly [number, number]): readonly number[] {
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    for (const digit of [1, 2, 5]) ticks.push(digit * 10 ** power);
  return ticks.filter((tick) => tick >= low && tick <= high);
}

/** Heights of labels at the ends of lines, moved so that none overlap. */
function placeLabels(wanted: readonly number[]): readonly number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a]! - wanted[b]!);
  const placed = [...wanted];
  for (const [rank, i] of order.entries())
    if (rank > 0) placed[i] = Math.max(placed[i]!, placed[order[rank - 1]!]! + labelHeight);
  return placed;
}

const text = (x: number, y: number, content: string, more = ''): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${escapeHtml(content)}</text>`;

function drawLine({ points, color, isDashed, name }: Line, label: number, { x, y }: Scales): string {
  const at = points.map((point) => `${x(point.x).toFixed(1)} ${y(point.loss).toFixed(1)}`);
  const dash = isDashed ? ' stroke-dasharray="5 4"' : '';
  const path = `<path d="M${at.join('L')}" fill="none" stroke="${color}" stroke-width="1.8"${dash}/>`;
  const dots = points.map(
    (point) =>
      `<circle cx="${x(point.x).toFixed(1)}" cy="${y(point.loss).toFixed(1)}" r="3" fill="${color}"/>`,
  );
  return path + dots.join('') + text(width - right + 16, label + 4, name, `fill="${color}"`);
}

export function drawChart({ title, xLabel, formatX, lines }: Chart): string {
  const scales = scalesOf(lines);
  const { xs, losses, x, y } = scales;
  const labels = placeLabels(lines.map(({ points }) => y(points.at(-1)!.loss)));
  const lossTicks = Array.from({ length: 6 }, (_, i) => losses[0] + ((losses[1] - losses[0]) * i) / 5);
  const gray = 'fill="#374151"';
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" ` +
      `font-size="12" role="img" aria-label="${escapeHtml(title)}"><rect width="100%" height="100%" fill="#ffffff"/>`,
    text(left, 22, title, 'font-size="14" font-weight="600" fill="#111827"'),
    ...lossTicks.map((loss) => {
      const at = y(loss).toFixed(1);
      return (
        `<line x1="${left}" x2="${width - right}" y1="${at}" y2="${at}" stroke="#e5e7eb"/>` +
        text(left - 8, y(loss) + 4, loss.toFixed(2), `text-anchor="end" ${gray}`)
      );
    }),
    ...ticksOf(xs).map((tick) =>
      text(x(tick), height - bottom + 20, formatX(tick), `text-anchor="middle" ${gray}`),
    ),
    text((left + width - right) / 2, height - 10, xLabel, `text-anchor="middle" ${gray}`),
    ...lines.map((line, i) => drawLine(line, labels[i]!, scales)),
    '</svg>',
    '',
  ].join('\n');
}
