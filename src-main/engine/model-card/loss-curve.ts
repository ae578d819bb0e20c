/** @file The loss of a run for its model card: a table of a few steps, and a drawing. */
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

/**
 * The losses among a run's events up to `step`; a step that was done again after a return to a save counts as
 * it was done last.
 */
export function curveOf(events: readonly RunEvent[], step: number): LossCurve {
  const pick = (at: 'step' | 'evaluated'): readonly Point[] => {
    const byStep = new Map<number, Point>();
    for (const e of events)
      if (e.at === at && e.step <= step) byStep.set(e.step, { tokens: e.tokens, step: e.step, loss: e.loss });
    return [...byStep.values()].sort((a, b) => a.step - b.step);
  };
  return { steps: pick('step'), heldOut: pick('evaluated') };
}

/** Mean loss around `step`: of a sixteenth of the run on either side, at most. */
function around({ steps }: LossCurve, i: number): number {
  const reach = Math.min(i, steps.length - 1 - i, Math.ceil(steps.length / 32));
  const some = steps.slice(i - reach, i + reach + 1);
  return some.reduce((sum, p) => sum + p.loss, 0) / some.length;
}

/**
 * At most `rows` steps, evenly spread, first and last among them, as a Markdown table. Empty where nothing
 * was measured.
 */
export function lossTable(curve: LossCurve, rows = 12): string {
  const { steps, heldOut } = curve;
  const n = Math.min(rows, steps.length);
  if (n === 0) return '';
  const picked = Array.from({ length: n }, (_, i) =>
    n === 1 ? 0 : Math.round((i * (steps.length - 1)) / (n - 1)),
  );
  return [
    '| Step | Tokens | Loss (nats) | Held-out loss |',
    '|---:|---:|---:|---:|',
    ...picked.map((i) => {
      const { step, tokens } = steps[i]!;
      const said = heldOut.findLast((p) => p.step <= step);
      return `| ${step.toLocaleString('en')} | ${tokens.toLocaleString('en')} | ${around(curve, i).toFixed(4)} | ${said ? said.loss.toFixed(4) : '–'} |`;
    }),
  ].join('\n');
}

/** Loss over tokens as an SVG, 720 × 320; empty where there are fewer than two points. */
export function lossDrawing({ steps, heldOut }: LossCurve): string {
  const all = [...steps, ...heldOut].filter((p) => Number.isFinite(p.loss));
  if (steps.length < 2) return '';
  const [width, height, left, right, top, bottom] = [720, 320, 56, 16, 16, 40];
  const most = Math.max(...all.map((p) => p.tokens));
  const least = steps[0]!.tokens;
  const low = Math.min(...all.map((p) => p.loss));
  const high = Math.max(...all.map((p) => p.loss));
  const span = high - low || 1;
  const x = (tokens: number): number =>
    left + ((width - left - right) * (tokens - least)) / (most - least || 1);
  const y = (loss: number): number => top + ((height - top - bottom) * (high - loss)) / span;
  const line = (points: readonly Point[], style: string): string =>
    points.length < 2
      ? ''
      : `<polyline fill="none" ${style} points="${points.map((p) => `${x(p.tokens).toFixed(1)},${y(p.loss).toFixed(1)}`).join(' ')}"/>`;
  const ticks = Array.from({ length: 5 }, (_, i) => low + (span * i) / 4);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12" role="img" aria-label="Loss over tokens, from ${steps[0]!.loss.toFixed(3)} to ${steps.at(-1)!.loss.toFixed(3)} nats">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...ticks.map(
      (t) =>
        `<line x1="${left}" x2="${width - right}" y1="${y(t).toFixed(1)}" y2="${y(t).toFixed(1)}" stroke="#dddddd"/><text x="${left - 6}" y="${(y(t) + 4).toFixed(1)}" text-anchor="end" fill="#444444">${t.toFixed(2)}</text>`,
    ),
    line(steps, 'stroke="#0b6e4f" stroke-width="1.5"'),
    line(heldOut, 'stroke="#b3541e" stroke-width="2"'),
    `<text x="${left}" y="${height - 12}" fill="#444444">${least.toLocaleString('en')}</text><text x="${width - right}" y="${height - 12}" text-anchor="end" fill="#444444">${most.toLocaleString('en')} tokens</text>`,
    `<text x="${width / 2}" y="${height - 12}" text-anchor="middle" fill="#444444">loss in nats: green in training${heldOut.length > 1 ? ', brown held out' : ''}</text>`,
    '</svg>',
    '',
  ]
    .filter((part) => part !== '')
    .join('\n');
}
