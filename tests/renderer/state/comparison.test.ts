import { describe, expect, it } from 'vitest';
import type { RunCard, RunEvent } from '../../../src-main/contract/schema.ts';
import { trainingDefaults } from '../../../src-main/train/settings.ts';
import { along, axesOf } from '../../../src-renderer/state/chart-axes.ts';
import { csvOf, svgOf } from '../../../src-renderer/state/chart-files.ts';
import {
  lossData,
  missingIn,
  withCurve,
  withLevel,
  type StepEvent,
} from '../../../src-renderer/state/chart-series.ts';
import {
  beside,
  costAxes,
  differences,
  lastLoss,
  needed,
  overlaid,
  standing,
} from '../../../src-renderer/state/comparison.ts';
import { RunView } from '../../../src-renderer/state/run.svelte.ts';

const started: RunEvent = {
  at: 'started',
  step: 0,
  device: 'cpu',
  deviceName: 'x',
  parameters: 1000,
  steps: 100,
  trainTokens: 1,
  heldOutTokens: 1,
  time: '',
};
const step = (n: number, loss: number): RunEvent => ({
  at: 'step',
  step: n,
  loss,
  lr: 1,
  norm: 1,
  tokens: 10 * n,
  seconds: 2,
});
const reading = (n: number, energy: number, money: number | null): RunEvent => ({
  at: 'reading',
  step: n,
  seconds: 2 * n,
  memory: 1,
  watts: 1,
  utilisation: null,
  temperature: null,
  energy,
  power: 'rapl',
  money,
});
function viewOf(events: readonly RunEvent[]): RunView {
  const view = new RunView((draw) => {
    draw();
  });
  for (const event of events) view.take(event);
  return view;
}
const heldOut = (n: number, loss: number): RunEvent => ({ at: 'evaluated', step: n, loss, tokens: 8 });
const a = viewOf([
  started,
  heldOut(0, 5),
  ...[1, 2, 3, 4].map((n) => step(n, 5 - n)),
  reading(4, 0.4, 2),
  heldOut(4, 1),
]);
const b = viewOf([started, ...[1, 2].map((n) => step(n, 3))]);
const card = (name: string, settings: object = {}): RunCard =>
  ({
    id: name,
    name,
    checkpoint: '/c',
    data: ['/t'],
    settings: { ...trainingDefaults, ...settings },
  }) as unknown as RunCard;

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

describe('a run beside others', () => {
  const numbers = (data: ReturnType<typeof lossData>): (number | null)[][] =>
    data.map((column) => Array.from(column, (v) => v ?? null));

  it('has the curve of the other as one more line, and a level as another', () => {
    const own = numbers(lossData(b, 'steps', 0));
    const both = numbers(withLevel(withCurve(lossData(b, 'steps', 0), a, 'steps', 0), 5));
    expect(both.length).toBe(own.length + 2);
    expect([both[0], both.at(-2), both.at(-1)]).toEqual([
      [0, 1, 2, 4],
      [5, null, null, 1],
      [5, 5, 5, 5],
    ]);
    expect(numbers(withCurve(lossData(b, 'steps', 0), viewOf([started]), 'steps', 0)).at(-1)).toEqual([
      null,
      null,
    ]);
  });

  it('meets the one from random weights of the same checkpoint first, and none that has no step', () => {
    const at = (name: string, settings: object, step = 5): RunCard => ({ ...card(name, settings), step });
    const own = at('own', { start: 'source' });
    const other = at('other', {});
    const scratch = at('scratch', { start: 'random' });
    const far = { ...at('far', { start: 'random' }), checkpoint: '/d' };
    expect(beside(own, [own, far, other, at('new', {}, 0), scratch])).toEqual({
      runs: [scratch, far, other],
      scratch,
    });
    expect(beside(scratch, [own, scratch]).scratch).toBeUndefined();
  });

  it('is read as it stands', async () => {
    const service = {
      run: () => Promise.resolve(card('a')),
      runHistory: () => Promise.resolve({ events: [started, step(1, 4)] }),
    };
    const { card: of, view } = await standing(service as never, 'a');
    expect([of.id, view.step, view.version]).toEqual(['a', 1, 2]);
  });
});

describe('a part of a long run', () => {
  const all = Array.from({ length: 1000 }, (_, i) => step(i + 1, Math.sin(i))) as StepEvent[];
  const long = viewOf([started, ...all.filter((_, i) => i % 100 === 0 || i === 999)]);

  it('is asked for where the page has only some of its steps', () => {
    expect(missingIn(long, 'steps', { min: 250, max: 320 })).toEqual({ from: 201, to: 401 });
    expect(missingIn(long, 'tokens', { min: 2500, max: 3200 })).toEqual({ from: 201, to: 401 });
    expect(missingIn(viewOf([started, ...all]), 'steps', { min: 250, max: 320 })).toBeNull();
    expect(missingIn(viewOf([started]), 'steps', { min: 0, max: 1 })).toBeNull();
  });

  it('is drawn with every step that came, at its place on each axis, and nothing far beside it', () => {
    const steps = all.slice(200, 401);
    for (const [over, unit] of [
      ['steps', 1],
      ['tokens', 10],
      ['time', 2],
    ] as const) {
      const whole = viewOf([started, ...all.map((event) => ({ ...event, elapsed: 2 * event.step }))]);
      const thin = viewOf([
        started,
        ...all
          .filter((_, i) => i % 100 === 0 || i === 999)
          .map((event) => ({ ...event, elapsed: 2 * event.step })),
      ]);
      const [x, y] = lossData(thin, over, 0, { min: 250 * unit, max: 320 * unit, steps });
      const [wantedX, wantedY] = lossData(whole, over, 0, { min: 250 * unit, max: 320 * unit, steps: [] });
      expect([x!.length, x![0], x!.at(-1)]).toEqual([73, 249 * unit, 321 * unit]);
      for (const [i, value] of Array.from(wantedX!).entries()) expect(x![i]).toBeCloseTo(value!, 9);
      expect(y).toEqual(wantedY);
    }
  });
});

describe('runs side by side', () => {
  const runs = [
    { card: card('a'), view: a },
    { card: card('b', { lr: 1 }), view: b },
  ];

  it('share one axis; where held-out losses are, they are drawn', () => {
    expect(overlaid(runs, 'steps', 0).map((column) => Array.from(column, (v) => v ?? null))).toEqual([
      [0, 1, 2, 4],
      [5, null, null, 1],
      [null, 3, 3, null],
    ]);
    expect(Array.from(overlaid(runs, 'tokens', 0)[0])).toEqual([0, 10, 20, 40]);
    expect([lastLoss(a), lastLoss(b)]).toEqual([1, 3]);
  });

  it('tell what reaching a loss took, on every axis known', () => {
    expect([needed(a, 'steps', 3), needed(b, 'tokens', 2), needed(b, 'tokens', 3)]).toEqual([2, null, 10]);
    expect(costAxes(runs).map(({ id }) => id)).toEqual(['tokens', 'time', 'energy', 'money']);
    expect(costAxes(runs.slice(1)).map(({ id }) => id)).toEqual(['tokens', 'time']);
  });

  it('list what is not the same, and nothing else', () => {
    expect(differences(runs.map((r) => r.card))).toEqual([
      { what: 'Learning rate', values: [String(trainingDefaults.lr), '1'] },
    ]);
    expect(differences([card('a'), card('b')])).toEqual([]);
  });
});

describe('files of a chart', () => {
  it('are CSV with gaps left empty and names quoted, and SVG that is well formed', () => {
    expect(
      csvOf(
        [
          [1, 2],
          [3, null],
          [Number.NaN, 4],
        ],
        ['x', 'a, b', 'c "d"'],
      ),
    ).toBe('x,"a, b","c ""d"""\n1,3,\n2,,4\n');
    const svg = svgOf(
      [
        [1, 2, 3],
        [4, null, 2],
      ],
      {
        title: 'a < b & "c"',
        xLabel: 'Steps',
        lines: [{ label: 'Loss', colour: '#123456', width: 2 }],
        logY: true,
        ink: '#000',
        ground: '#fff',
        x: { min: 1, max: 3 },
        y: { min: 1, max: 5 },
        formatX: String,
        formatY: (y) => y.toFixed(1),
      },
    );
    expect(svg).toContain('<title>a &lt; b &amp; &quot;c&quot;</title>');
    expect(/points="([^"]+)"/.exec(svg)?.[1]?.split(' ')).toHaveLength(2);
  });
});
