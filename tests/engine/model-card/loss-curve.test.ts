/** @file The loss of a run as a table and as a drawing. */
import { describe, expect, it } from 'vitest';
import {
  drawLossCurve,
  extractLossCurve,
  formatLossTable,
} from '../../../src-main/engine/model-card/loss-curve.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';

const stepEvent = (step: number, loss: number): RunEvent =>
  ({ type: 'step', step, tokens: 1000 * step, loss }) as RunEvent;
const evaluatedEvent = (step: number, loss: number): RunEvent =>
  ({ type: 'evaluated', step, tokens: 1000 * step, loss }) as RunEvent;

it('keeps the newest loss of a repeated step and drops later steps', () => {
  const curve = extractLossCurve([stepEvent(1, 5), stepEvent(2, 9), stepEvent(2, 4), stepEvent(3, 3)], 2);
  expect(curve.steps).toEqual([
    { step: 1, tokens: 1000, loss: 5 },
    { step: 2, tokens: 2000, loss: 4 },
  ]);
});

describe('of a run', () => {
  const events = Array.from({ length: 100 }, (_, i) => stepEvent(i + 1, 5 - i / 50));
  const curve = extractLossCurve([...events, evaluatedEvent(50, 4.5), evaluatedEvent(100, 3.5)], 100);

  it('is a table with the first and the last step', () => {
    const rows = formatLossTable(curve, 3).split('\n');
    expect(rows).toHaveLength(5);
    expect(rows[2]).toBe('| 1 | 1\u202f000 | 5.0000 | – |');
    expect(rows[4]).toBe('| 100 | 100\u202f000 | 3.0200 | 3.5000 |');
  });

  it('is a drawing with a line for each kind of loss', () => {
    const svg = drawLossCurve(curve);
    expect(svg.match(/<polyline/g)).toHaveLength(2);
    expect(svg).toContain('held-out in brown');
  });
});

it('is empty without steps', () => {
  const curve = extractLossCurve([], 10);
  expect(formatLossTable(curve)).toBe('');
  expect(drawLossCurve(curve)).toBe('');
});
