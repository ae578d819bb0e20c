import { describe, expect, it } from 'vitest';
import { trainingDefaults } from '../../../src-main/train/settings.ts';
import type { RunEvent } from '../../../src-main/contract/schema.ts';
import { RunView } from '../../../src-renderer/state/run-view.svelte.ts';
import { createEvents, lossAt } from '../fake/run-events.ts';
import { createView } from '../views.ts';
import { grownEvent } from './example-runs.ts';

const createStep = (n: number, loss = 1): RunEvent => ({
  type: 'step',
  step: n,
  loss,
  lr: 1e-3,
  gradNorm: 1,
  tokens: n * 10,
  seconds: 0.5,
});
const createStart = (n: number): RunEvent => ({
  type: 'started',
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
  it('collects losses, samples and state from events', () => {
    const view = createView(createEvents(trainingDefaults, 250, 'finished'));
    expect(view.steps.length).toBe(250);
    expect(view.loss.at(-1)).toBe(lossAt(250));
    expect(view.heldOut.length).toBe(3);
    expect(view.samples.map((s) => s.step)).toEqual([200, 100]);
    expect(view.savedStep).toBe(200);
    expect(view.phase).toBe('finished');
  });

  it('shows a growth as a mark and a line of the log, with the slopes of the loss before and after it', () => {
    const slope = (step: number, fall: number): RunEvent => ({
      type: 'slope',
      step,
      fall,
      low: fall / 2,
      high: 2 * fall,
    });
    const view = createView([
      createStart(0),
      createStep(1),
      slope(1, 0.5),
      createStep(2),
      grownEvent,
      createStep(3),
      slope(3, 0.25),
      slope(4, 0.125),
    ]);
    expect(view.marks).toContainEqual({ step: 2, kind: 'grow' });
    expect(view.started).toMatchObject({ steps: 40, parameters: 3000 });
    const [after, grown] = view.log;
    expect(grown!.text).toContain('Stage 1 ended (plateau). Grown by identity');
    expect(grown!.text).toContain('held-out loss 3.2500 before, 3.5000 after');
    expect(after!.text).toMatch(/falls by 0\.25 .* before it by 0\.50 /);
  });

  it('removes a growth that a resumed run repeats', () => {
    const view = createView([createStart(0), createStep(1), createStep(2), grownEvent, createStart(1)]);
    expect(view.growths).toEqual([]);
  });

  it('changes once a frame for any number of events', () => {
    const frames: (() => void)[] = [];
    const view = new RunView((draw) => {
      frames.push(draw);
    });
    for (let i = 1; i <= 100; i++) view.add(createStep(i));
    expect(frames.length).toBe(1);
    expect(view.steps.length).toBe(0);
    frames[0]!();
    expect(view.version).toBe(1);
    expect(view.steps.length).toBe(100);
  });

  it('removes steps that a resumed run repeats, with their time', () => {
    const events = [
      createStart(0),
      ...[1, 2, 3, 4].map((n) => createStep(n)),
      { type: 'evaluated', step: 4, loss: 9, tokens: 40 } as const,
      createStart(2),
      createStep(3, 7),
    ];
    const view = createView(events);
    expect([...view.steps.values]).toEqual([1, 2, 3]);
    expect([...view.loss.values]).toEqual([1, 1, 7]);
    expect(view.time.at(-1)).toBeCloseTo(1.5, 12);
    expect(view.heldOut.length).toBe(0);
  });

  it('computes speed and remaining time from the newest steps', () => {
    const view = createView([createStart(0), ...[1, 2, 3, 4, 5].map((n) => createStep(n))]);
    expect(view.tokensPerSecond).toBeCloseTo(20, 12);
    expect(view.secondsLeft).toBeCloseTo(7.5, 12);
  });

  it('logs skipped steps, follows rollbacks, and ends at the step of a decay', () => {
    const events: RunEvent[] = [
      createStart(0),
      { type: 'asymmetry', step: 0, value: 0 },
      createStep(1),
      createStep(2),
      { type: 'saved', step: 2, dir: '/r' },
      { type: 'asymmetry', step: 2, value: 0.1 },
      createStep(3, 50),
      { type: 'skipped', step: 3, what: 'loss', value: 50, limit: 9 },
      { type: 'asymmetry', step: 3, value: 0.2 },
      { type: 'skipped', step: 4, what: 'gradient norm', value: null, limit: null },
      { type: 'rolled-back', step: 2, from: 4, time: '' },
      createStep(3, 7),
      { type: 'rescheduled', step: 3, steps: 9, time: '' },
      { type: 'averaged', step: 3, weights: 'ema', loss: 1.25, tokens: 10 },
    ];
    const view = createView(events);
    expect([...view.loss.values]).toEqual([1, 1, 7]);
    expect([...view.asymmetrySteps.values, ...view.asymmetry.values]).toEqual([0, 2, 0, 0.1]);
    expect([view.started?.steps, view.isDecaying]).toEqual([9, true]);
    const log = view.log.map((line) => `${line.step} ${line.text}`).join('\n');
    for (const words of [
      '3 Step skipped: its loss was 50.00, above the limit of 9.000',
      '4 Step skipped: its gradient norm was not finite',
      '4 Rolled back to step 2',
      'ends at step 9',
      'moving average: 1.2500',
    ])
      expect(log).toContain(words);
  });

  it('keeps the error of a failed run', () => {
    const view = createView([
      createStart(0),
      createStep(1),
      {
        type: 'stopped',
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
