import { describe, expect, it } from 'vitest';
import { trainingDefaults } from '../../../src-main/train/settings.ts';
import type { RunEvent } from '../../../src-main/contract/schema.ts';
import { lossData } from '../../../src-renderer/state/chart-series.ts';
import { RunView } from '../../../src-renderer/state/run.svelte.ts';
import { eventsOf, lossAt } from '../fake-service.ts';

const viewOf = (events: readonly RunEvent[]): RunView => {
  const view = new RunView(() => {
    /* drawn by hand */
  });
  for (const event of events) view.take(event);
  view.flush();
  return view;
};
const step = (n: number, loss = 1): RunEvent => ({
  at: 'step',
  step: n,
  loss,
  lr: 1e-3,
  norm: 1,
  tokens: n * 10,
  seconds: 0.5,
});
const started = (n: number): RunEvent => ({
  at: 'started',
  step: n,
  device: 'cpu',
  deviceName: 'Processor',
  parameters: 5,
  steps: 20,
  trainTokens: 1,
  heldOutTokens: 1,
  time: '',
});

describe('RunView', () => {
  it('is what its events say', () => {
    const view = viewOf(eventsOf(trainingDefaults, 250, 'finished'));
    expect(view.steps.length).toBe(250);
    expect(view.loss.at(-1)).toBe(lossAt(250));
    expect(view.heldOut.length).toBe(3);
    expect(view.samples.map((s) => s.step)).toEqual([200, 100]);
    expect(view.savedStep).toBe(200);
    expect(view.phase).toBe('finished');
  });

  it('draws once a frame, however many events come', () => {
    const frames: (() => void)[] = [];
    const view = new RunView((draw) => {
      frames.push(draw);
    });
    for (let i = 1; i <= 100; i++) view.take(step(i));
    expect(frames.length).toBe(1);
    expect(view.steps.length).toBe(0);
    frames[0]!();
    expect(view.version).toBe(1);
    expect(view.steps.length).toBe(100);
  });

  it('cuts back what a resumed run does again, time included', () => {
    const events = [
      started(0),
      ...[1, 2, 3, 4].map((n) => step(n)),
      { at: 'evaluated', step: 4, loss: 9, tokens: 40 } as const,
      started(2),
      step(3, 7),
    ];
    const view = viewOf(events);
    expect([...view.steps.values]).toEqual([1, 2, 3]);
    expect([...view.loss.values]).toEqual([1, 1, 7]);
    expect(view.time.at(-1)).toBeCloseTo(1.5, 12);
    expect(view.heldOut.length).toBe(0);
  });

  it('tells pace and time left from the newest steps', () => {
    const view = viewOf([started(0), ...[1, 2, 3, 4, 5].map((n) => step(n))]);
    expect(view.tokensPerSecond).toBeCloseTo(20, 12);
    expect(view.secondsLeft).toBeCloseTo(7.5, 12);
  });

  it('says what was left out, goes back where the run did, and ends where it was told to', () => {
    const events: RunEvent[] = [
      started(0),
      { at: 'asymmetry', step: 0, value: 0 },
      step(1),
      step(2),
      { at: 'saved', step: 2, dir: '/r' },
      { at: 'asymmetry', step: 2, value: 0.1 },
      step(3, 50),
      { at: 'skipped', step: 3, what: 'loss', value: 50, limit: 9 },
      { at: 'asymmetry', step: 3, value: 0.2 },
      { at: 'skipped', step: 4, what: 'gradient norm', value: null, limit: null },
      { at: 'rolled-back', step: 2, from: 4, time: '' },
      step(3, 7),
      { at: 'rescheduled', step: 3, steps: 9, time: '' },
      { at: 'averaged', step: 3, which: 'ema', loss: 1.25, tokens: 10 },
    ];
    const view = viewOf(events);
    expect([...view.loss.values]).toEqual([1, 1, 7]);
    expect([...view.asymmetrySteps.values, ...view.asymmetry.values]).toEqual([0, 2, 0, 0.1]);
    expect([view.started?.steps, view.falling]).toEqual([9, true]);
    const log = view.log.map((line) => `${line.step} ${line.text}`).join('\n');
    for (const words of [
      '3 Step left out: its loss was 50.00, over 9.000',
      '4 Step left out: its gradient norm was not finite',
      '4 Went back to step 2',
      'ends at step 9',
      'moving average: 1.2500',
    ])
      expect(log).toContain(words);
  });

  it('keeps why it failed', () => {
    const view = viewOf([
      started(0),
      step(1),
      {
        at: 'stopped',
        step: 1,
        reason: 'failed',
        error: { code: 'run/not-finite', detail: { step: 1, what: 'loss' } },
        time: '',
      },
    ]);
    expect(view.phase).toBe('failed');
    expect(view.error?.code).toBe('run/not-finite');
  });
});

describe('lossData', () => {
  it('joins the held-out points into the x axis that was asked for', () => {
    const view = viewOf(eventsOf(trainingDefaults, 120));
    for (const over of ['steps', 'tokens', 'time'] as const) {
      const [x, raw, smooth, heldOut] = lossData(view, over, 0.9);
      expect(x!.length).toBe(121); // step 0 has a held-out point alone
      expect(raw!.length).toBe(x!.length);
      expect(smooth!.length).toBe(x!.length);
      expect([...heldOut!].filter((v) => v !== null && v !== undefined).length).toBe(2);
      expect([...x!].every((v, i) => i === 0 || v > x![i - 1]!)).toBe(true);
    }
  });
  it('stays small for long runs', () => {
    const view = viewOf([started(0), ...Array.from({ length: 20_000 }, (_, i) => step(i + 1, Math.sin(i)))]);
    expect(lossData(view, 'steps', 0.9)[0]!.length).toBeLessThanOrEqual(3000);
  });
});
