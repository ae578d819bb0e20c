/** @file The events of a fake run. */
import type { RunEvent } from '../../../src-main/contract/schema.ts';
import { stepsOf, tokensPerStep } from '../../../src-main/train/schedule.ts';
import type { TrainingSettings } from '../../../src-main/train/settings.ts';

/** A loss that falls with noise. */
export const lossAt = (step: number): number =>
  1.45 +
  2.6 * Math.exp(-step / 40) +
  0.8 / Math.sqrt(step + 1) +
  0.06 * Math.sin(step * 12.9898) * Math.cos(step * 4.1);

/** The events of a run up to the step `until`. */
export function createEvents(
  settings: TrainingSettings,
  until: number,
  ending?: 'finished' | 'requested',
): RunEvent[] {
  const perStep = tokensPerStep(settings);
  const steps = stepsOf(settings);
  const events: RunEvent[] = [
    { type: 'preparing', what: 'Reading shakespeare.txt', done: 1, of: 1 },
    {
      type: 'started',
      step: 0,
      device: 'cpu',
      deviceName: 'Processor (2 cores)',
      parameters: 1_045_632,
      steps,
      trainTokens: 480_000,
      heldOutTokens: 9600,
      time: '2026-11-21T08:00:00Z',
    },
    { type: 'evaluated', step: 0, loss: 4.72, tokens: 0 },
  ];
  for (let step = 1; step <= until; step++) {
    const warmup = Math.min(1, step / settings.warmupSteps);
    const decay = 0.55 + 0.45 * Math.cos((Math.PI * step) / steps);
    events.push({
      type: 'step',
      step,
      loss: lossAt(step),
      lr: settings.lr * warmup * decay,
      gradNorm: 0.6 + 2 / step ** 0.5,
      tokens: step * perStep,
      seconds: 0.21 + 0.01 * Math.sin(step),
    });
    if (step % 5 === 0)
      events.push({
        type: 'usage',
        step,
        seconds: step * 0.21,
        memory: 4.1e8 + 1e6 * (step % 7),
        watts: 31 + Math.sin(step),
        utilisation: 1.9,
        temperature: null,
        energy: step * 0.21 * 31 * 2.8e-7,
        powerSource: 'assumed',
        cost: step * 0.0004,
      });
    if (step % 100 === 0)
      events.push(
        { type: 'evaluated', step, loss: lossAt(step) + 0.08, tokens: step * perStep },
        {
          type: 'sample',
          step,
          prompt: 'Once upon a time',
          text: `, there was a little king who said at step ${step}: “Good morrow, my lord, and what a day to grow.”`,
        },
      );
    if (step % 200 === 0) events.push({ type: 'saved', step, dir: `/runs/a/step-${step}` });
  }
  if (ending) events.push({ type: 'stopped', step: until, reason: ending, time: '2026-11-21T08:05:00Z' });
  return events;
}
