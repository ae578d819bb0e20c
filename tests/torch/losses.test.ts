/** @file PyTorch trains a run as Cambium's own engine does, on any number of processes. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { LaunchSettings } from '../../src-main/train/launch.ts';
import type { RunEvent } from '../../src-main/train/run.ts';
import type { TrainingSettings } from '../../src-main/train/settings.ts';
import {
  growTiny,
  lossesOf,
  stepNumbersOf,
  stepsTo,
  textFile,
  tinyCheckpoint,
  trainRun,
} from '../engine/train/train-run.ts';
import { eventsOfType } from '../engine/workbench.ts';
import { freshFolder } from '../support/temporary.ts';
import { createRunWith, describeTorch, gradNormsOf, relativeDifference } from './torch-run.ts';

const steps = 50;
/** Four sequences for each update, so that four processes have one each. */
const settings: Partial<TrainingSettings> = {
  tokens: steps * 4 * 16,
  microBatch: 2,
  gradAccum: 2,
  evaluateEvery: 25,
};
const tolerance = 1e-4;

type Trained = (processes: number | null) => Promise<readonly RunEvent[]>;

/** Trains a grown checkpoint, in each engine and number of processes once. */
function trainer(growth: string, changes: Partial<TrainingSettings>): Trained {
  const checkpoint = growTiny(growth);
  const trained = new Map<number | null, Promise<readonly RunEvent[]>>();
  const train = async (processes: number | null): Promise<readonly RunEvent[]> => {
    const files = { checkpoint: await checkpoint, data: [textFile] };
    return trainRun(await createRunWith(processes, files, { ...settings, ...changes }));
  };
  return (processes) => {
    const work = trained.get(processes) ?? train(processes);
    trained.set(processes, work);
    return work;
  };
}

const cases: readonly (readonly [title: string, growth: string, changes: Partial<TrainingSettings>])[] = [
  ['AdamW with the learning rates of copies', 'hypercloning', {}],
  ['Muon', 'hypercloning', { optimizer: 'muon' }],
  ['SGD with document masks', 'hypercloning', { optimizer: 'sgd', lr: 1e-2, documentMask: 'on' }],
];

describeTorch('training a grown model with PyTorch', () => {
  for (const [title, growth, changes] of cases) {
    const train = trainer(growth, changes);
    for (const processes of [1, 2, 4])
      it(`has the losses of Cambium's engine on ${processes} processes: ${title}`, async () => {
        const [expected, found] = [await train(null), await train(processes)];
        expect(found.at(-1)).toMatchObject({ type: 'stopped', reason: 'finished' });
        expect(stepNumbersOf(found)).toEqual(stepsTo(steps));
        expect(relativeDifference(lossesOf(expected), lossesOf(found))).toBeLessThan(tolerance);
        expect(relativeDifference(gradNormsOf(expected), gradNormsOf(found))).toBeLessThan(10 * tolerance);
        const heldOut = (events: readonly RunEvent[]): readonly number[] =>
          eventsOfType(events, 'evaluated').map(({ loss }) => loss);
        expect(heldOut(found)).toHaveLength(heldOut(expected).length);
        expect(relativeDifference(heldOut(expected), heldOut(found))).toBeLessThan(tolerance);
      });
  }
});

describeTorch('a run with further settings', () => {
  const checkpoint = growTiny('hypercloning');
  const cases: readonly (readonly [string, Partial<TrainingSettings>, Partial<LaunchSettings>])[] = [
    ['weights divided over two processes', {}, { tensorParallel: 2 }],
    ['distillation and a moving average', { distillWeight: 0.5, emaDecay: 0.9 }, {}],
  ];
  it.each(cases)("has the losses of Cambium's engine: %s", async (_, changes, launch) => {
    const files = { checkpoint: await checkpoint, data: [textFile] };
    const more = { ...settings, tokens: 20 * 4 * 16, evaluateEvery: 10, ...changes };
    const expected = await trainRun(await createRunWith(null, files, more));
    const found = await trainRun(await createRunWith(2, files, more, launch));
    expect(found.at(-1), JSON.stringify(found.at(-1))).toMatchObject({ reason: 'finished' });
    const numbers = (events: readonly RunEvent[]): readonly number[] => [
      ...lossesOf(events),
      ...eventsOfType(events, 'evaluated').map(({ loss }) => loss),
      ...eventsOfType(events, 'averaged').map(({ loss }) => loss),
    ];
    expect(numbers(found)).toHaveLength(numbers(expected).length);
    expect(relativeDifference(numbers(expected), numbers(found))).toBeLessThan(tolerance);
    // The divergence from the source begins at the rounding error of 0, so that only its size can be compared.
    const divergences = (events: readonly RunEvent[]): readonly number[] =>
      eventsOfType(events, 'step').flatMap(({ kl }) => kl ?? []);
    const others = divergences(found);
    expect(others).toHaveLength(divergences(expected).length);
    for (const [i, kl] of divergences(expected).entries())
      expect(Math.abs(kl - others[i]!)).toBeLessThan(1e-5);
  });
});

/** A regular text with a few irregular characters in the middle. */
const spikyText = join(freshFolder(), 'even.txt');
writeFileSync(spikyText, `${'abcd'.repeat(140)}QzXj#7!vK%pW@0&Y${'abcd'.repeat(140)}`);

describeTorch('a loss spike', () => {
  it('is skipped at the same steps by both engines', async () => {
    const spiky: Partial<TrainingSettings> = {
      tokens: 210 * 2 * 16,
      microBatch: 2,
      lr: 1e-2,
      warmupSteps: 1,
      schedule: 'constant',
      heldOut: 0,
    };
    const files = { checkpoint: await tinyCheckpoint, data: [spikyText] };
    const own = await trainRun(await createRunWith(null, files, spiky));
    const torch = await trainRun(await createRunWith(2, files, spiky));
    const skips = (events: readonly RunEvent[]): readonly unknown[] =>
      eventsOfType(events, 'skipped').map(({ step, what }) => ({ step, what }));
    expect(skips(own).length).toBeGreaterThan(0);
    expect(skips(torch)).toEqual(skips(own));
  });
});
