import { describe, expect, it } from 'vitest';
import type { RunCard, RunEvent } from '../../../src-main/contract/schema.ts';
import { trainingDefaults } from '../../../src-main/train/settings.ts';
import { along, axesOf } from '../../../src-renderer/state/chart-axes.ts';
import { csvOf, svgOf } from '../../../src-renderer/state/chart-files.ts';
import { costAxes, differences, lastLoss, needed, overlaid } from '../../../src-renderer/state/comparison.ts';
import { RunView } from '../../../src-renderer/state/run.svelte.ts';

const started: RunEvent = { at: 'started', step: 0, device: 'cpu', deviceName: 'x', parameters: 1000, steps: 100, trainTokens: 1, heldOutTokens: 1, time: '' };
const step = (n: number, loss: number): RunEvent => ({ at: 'step', step: n, loss, lr: 1, norm: 1, tokens: 10 * n, seconds: 2 });
const reading = (n: number, energy: number, money: number | null): RunEvent => ({ at: 'reading', step: n, seconds: 2 * n, memory: 1, watts: 1, utilisation: null, temperature: null, energy, power: 'rapl', money });
function viewOf(events: readonly RunEvent[]): RunView {
  const view = new RunView((draw) => { draw(); });
  for (const event of events) view.take(event);
  return view;
}
const heldOut = (n: number, loss: number): RunEvent => ({ at: 'evaluated', step: n, loss, tokens: 8 });
const a = viewOf([started, heldOut(0, 5), ...[1, 2, 3, 4].map((n) => step(n, 5 - n)), reading(4, 0.4, 2), heldOut(4, 1)]), b = viewOf([started, ...[1, 2].map((n) => step(n, 3))]);
const card = (name: string, settings: object = {}): RunCard => ({ id: name, name, checkpoint: '/c', data: ['/t'], settings: { ...trainingDefaults, ...settings } }) as unknown as RunCard;

describe('axes', () => {
  it('are those a run has numbers for, and spread energy and money between two readings', () => {
    expect(axesOf(a).map(({ id }) => id)).toEqual(['steps', 'tokens', 'flops', 'time', 'energy', 'money']);
    expect(axesOf(b).map(({ id }) => id)).toEqual(['steps', 'tokens', 'flops', 'time']);
    expect([...along(a, 'flops', a)]).toEqual([1, 2, 3, 4].map((n) => 6 * 1000 * 10 * n));
    expect([...along(a, 'time', a)]).toEqual([2, 4, 6, 8]);
    for (const [i, kwh] of along(a, 'energy', a).entries()) expect(kwh).toBeCloseTo(0.1 * (i + 1), 12);
    expect([...along(b, 'money', b)].every(Number.isNaN)).toBe(true);
  });
});

describe('runs side by side', () => {
  const runs = [{ card: card('a'), view: a }, { card: card('b', { lr: 1 }), view: b }];

  it('share one axis; where held-out losses are, they are drawn', () => {
    expect(overlaid(runs, 'steps', 0).map((column) => Array.from(column, (v) => v ?? null))).toEqual([[0, 1, 2, 4], [5, null, null, 1], [null, 3, 3, null]]);
    expect(Array.from(overlaid(runs, 'tokens', 0)[0])).toEqual([0, 10, 20, 40]);
    expect([lastLoss(a), lastLoss(b)]).toEqual([1, 3]);
  });

  it('tell what reaching a loss took, on every axis known', () => {
    expect([needed(a, 'steps', 3), needed(b, 'tokens', 2), needed(b, 'tokens', 3)]).toEqual([2, null, 10]);
    expect(costAxes(runs).map(({ id }) => id)).toEqual(['tokens', 'time', 'energy', 'money']);
    expect(costAxes(runs.slice(1)).map(({ id }) => id)).toEqual(['tokens', 'time']);
  });

  it('list what is not the same, and nothing else', () => {
    expect(differences(runs.map((r) => r.card))).toEqual([{ what: 'Learning rate', values: [String(trainingDefaults.lr), '1'] }]);
    expect(differences([card('a'), card('b')])).toEqual([]);
  });
});

describe('files of a chart', () => {
  it('are CSV with gaps left empty and names quoted, and SVG that is well formed', () => {
    expect(csvOf([[1, 2], [3, null], [Number.NaN, 4]], ['x', 'a, b', 'c "d"'])).toBe('x,"a, b","c ""d"""\n1,3,\n2,,4\n');
    const svg = svgOf([[1, 2, 3], [4, null, 2]], { title: 'a < b & "c"', xLabel: 'Steps', lines: [{ label: 'Loss', colour: '#123456', width: 2 }], logY: true, ink: '#000', ground: '#fff', x: { min: 1, max: 3 }, y: { min: 1, max: 5 }, formatX: String, formatY: (y) => y.toFixed(1) });
    expect(svg).toContain('<title>a &lt; b &amp; &quot;c&quot;</title>');
    expect(/points="([^"]+)"/.exec(svg)?.[1]?.split(' ')).toHaveLength(2);
  });
});
