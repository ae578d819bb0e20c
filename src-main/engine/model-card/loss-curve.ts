/** @file The loss of a run for its model card, as a table and as a drawing. */
import { formatInteger } from '../../base/format.ts';
import type { RunEvent } from '../../train/run.ts';

interface Point {
  readonly tokens: number;
  readonly step: number;
  readonly loss: number;
}
export interface LossCurve {
  readonly steps: readonly Point[];
  readonly heldOut: readonly Point[];
}

/** Returns the losses up to `step`. A step that was repeated after a rollback has its newest loss. */
export function extractLossCurve(events: readonly RunEvent[], step: number): LossCurve {
  const collect = (type: 'step' | 'evaluated'): readonly Point[] => {
    const byStep = new Map<number, Point>();
    for (const event of events) {
      if (event.type !== type || event.step > step) continue;
      byStep.set(event.step, { tokens: event.tokens, step: event.step, loss: event.loss });
    }
    return [...byStep.values()].sort((a, b) => a.step - b.step);
  };
  return { steps: collect('step'), heldOut: collect('evaluated') };
}

/** Mean loss of the steps around step `i`: at most a sixteenth of the run in all, symmetric around it. */
function meanLossAround({ steps }: LossCurve, i: number): number {
  const reach = Math.min(i, steps.length - 1 - i, Math.ceil(steps.length / 32));
  const window = steps.slice(i - reach, i + reach + 1);
  return window.reduce((sum, point) => sum + point.loss, 0) / window.length;
}

/**
 * Formats at most `maxRows` evenly spaced steps, including the first and the last, as a Markdown table. Empty
 * if there are no steps.
 */
export function formatLossTable(curve: LossCurve, maxRows = 12): string {
  const { steps, heldOut } = curve;
  const rows = Math.min(maxRows, steps.length);
  if (rows === 0) return '';
  const indices = Array.from({ length: rows }, (_, i) =>
    rows === 1 ? 0 : Math.round((i * (steps.length - 1)) / (rows - 1)),
  );
  const lines = indices.map((i) => {
    const { step, tokens } = steps[i]!;
    const evaluated = heldOut.findLast((point) => point.step <= step);
    const cells = [
      formatInteger(step),
      formatInteger(tokens),
      meanLossAround(curve, i).toFixed(4),
      evaluated ? evaluated.loss.toFixed(4) : '–',
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return ['| Step | Tokens | Loss (nats) | Held-out loss |', '|---:|---:|---:|---:|', ...lines].join('\n');
}

const width = 720;
const height = 320;
/** Margins around the plot. */
const left = 56;
const right = 16;
const top = 16;
const bottom = 40;

/** Draws loss over tokens as an SVG of 720 × 320. Empty if there are fewer than two steps. */
export function drawLossCurve({ steps, heldOut }: LossCurve): string {
  if (steps.length < 2) return '';
  const points = [...steps, ...heldOut].filter((point) => Number.isFinite(point.loss));
  const firstTokens = steps[0]!.tokens;
  const lastTokens = Math.max(...points.map((point) => point.tokens));
  const lowest = Math.min(...points.map((point) => point.loss));
  const highest = Math.max(...points.map((point) => point.loss));
  const span = highest - lowest || 1;
  const x = (tokens: number): number =>
    left + ((width - left - right) * (tokens - firstTokens)) / (lastTokens - firstTokens || 1);
  const y = (loss: number): number => top + ((height - top - bottom) * (highest - loss)) / span;
  const polyline = (line: readonly Point[], style: string): string => {
    if (line.length < 2) return '';
    const coordinates = line.map((point) => `${x(point.tokens).toFixed(1)},${y(point.loss).toFixed(1)}`);
    return `<polyline fill="none" ${style} points="${coordinates.join(' ')}"/>`;
  };
  const gridLine = (loss: number): string => {
    const atY = y(loss).toFixed(1);
    const rule = `<line x1="${left}" x2="${width - right}" y1="${atY}" y2="${atY}" stroke="#dddddd"/>`;
    const label = text(left - 6, (y(loss) + 4).toFixed(1), loss.toFixed(2), 'end');
    return `${rule}${label}`;
  };
  const ticks = Array.from({ length: 5 }, (_, i) => lowest + (span * i) / 4);
  const legend = `loss in nats: training in green${heldOut.length > 1 ? ', held-out in brown' : ''}`;
  const captionY = String(height - 12);
  const lines = [
    openSvg(`Loss over tokens, from ${steps[0]!.loss.toFixed(3)} to ${steps.at(-1)!.loss.toFixed(3)} nats`),
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...ticks.map(gridLine),
    polyline(steps, 'stroke="#0b6e4f" stroke-width="1.5"'),
    polyline(heldOut, 'stroke="#b3541e" stroke-width="2"'),
    text(left, captionY, formatInteger(firstTokens), 'start'),
    text(width - right, captionY, `${formatInteger(lastTokens)} tokens`, 'end'),
    text(width / 2, captionY, legend, 'middle'),
    '</svg>',
  ];
  return lines.filter((line) => line !== '').join('\n');
}

const openSvg = (label: string): string =>
  [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}"`,
    `width="${width}" height="${height}"`,
    'font-family="sans-serif" font-size="12"',
    `role="img" aria-label="${label}">`,
  ].join(' ');

const text = (x: number, y: string, content: string, anchor: 'start' | 'middle' | 'end'): string =>
  `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="#444444">${content}</text>`;
