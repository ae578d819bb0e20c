/** @file Tunings in an engine: their trials are trainings, and a resume makes the trials that were left. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createAborter } from '../../../src-main/base/signals.ts';
import type { TuneEvent, TuneRequest } from '../../../src-main/contract/tune.ts';
import { tune } from '../../../src-main/engine/tune/tune-job.ts';
import { createTuning } from '../../../src-main/service/tuning.ts';
import { tryLock } from '../../../src-main/store/fs/lock.ts';
import { readTuning, writeTuning } from '../../../src-main/store/run/tuning-file.ts';
import { stepsOf } from '../../../src-main/train/schedule.ts';
import { nextTrial } from '../../../src-main/train/tuning/search.ts';
import { bestTrial, lossOf, settingsOfValues, type Tuning } from '../../../src-main/train/tuning/tuning.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';
import {
  collect,
  createTestRun,
  createTextFile,
  eventsOfType,
  neverAborted,
  smallSettings,
} from '../workbench.ts';
import { growTiny, textFile, tinyCheckpoint, tokensPerSmallStep, trainRun } from '../train/train-run.ts';

const steps = 8;
const settings = { ...smallSettings, tokens: steps * tokensPerSmallStep, heldOut: 0.2, lr: 1e-3 };
const cloning = {
  method: 'hypercloning',
  to: { hidden: 32, ffn: 48 },
  options: { noise: null, variant: 'symmetric' },
  seed: 0,
  dtype: 'keep',
} as const;

async function makeTuning(changes: Partial<TuneRequest> = {}): Promise<string> {
  const dir = freshFolder('tuning');
  const request = {
    checkpoint: await tinyCheckpoint,
    data: [textFile],
    settings,
    trials: 6,
    transferTrials: 2,
    coordinateCheck: false,
    ...changes,
  };
  await writeTuning(dir, await createTuning(request));
  return dir;
}

const runTuning = (dir: string): Promise<readonly TuneEvent[]> => collect(tune({ dir }, neverAborted));

/** The trials without the time that they took. */
const trialsOf = ({ trials }: Tuning): unknown =>
  trials.map(({ seconds, ...trial }) => (void seconds, trial));

/** The last held-out loss of a run of `checkpoint` with the values of a trial. */
async function trainWith(
  checkpoint: string,
  tuning: Tuning,
  trial: Tuning['trials'][number],
): Promise<number> {
  const tuned = settingsOfValues(trial.values, tuning.mupBase, stepsOf(settings));
  const run = await createTestRun(checkpoint, textFile, { ...settings, ...tuned });
  return eventsOfType(await trainRun(run), 'evaluated').at(-1)!.loss;
}

describe('a tuning with a growth', () => {
  let dir: string;
  let events: readonly TuneEvent[];
  let tuning: Tuning;
  beforeAll(async () => {
    dir = await makeTuning({ grow: [cloning] });
    events = await runTuning(dir);
    tuning = await readTuning(dir);
  });

  it('makes its trials at both widths, and is done', () => {
    expect(tuning.isDone).toBe(true);
    expect(tuning.trials.map(({ width }) => width)).toEqual([
      ...Array<string>(6).fill('source'),
      'target',
      'target',
    ]);
    expect(nextTrial(tuning)).toBeUndefined();
    expect(events.at(-1)).toEqual({ type: 'done', dir, tuning });
    for (const { rungs, end } of tuning.trials) {
      expect(rungs.length).toBeGreaterThan(0);
      if (end === 'finished') expect(rungs.at(-1)!.step).toBe(steps);
    }
  });

  it('writes a report with the curves', () => {
    const page = readFileSync(join(dir, 'report.html'), 'utf8');
    expect(page).toContain('<polyline');
    expect(page).toContain('Loss over learning rate');
  });

  it('has in each finished trial the loss of a training with the same settings', async () => {
    const finished = tuning.trials.filter(({ width, end }) => width === 'source' && end === 'finished');
    for (const trial of [finished[0]!, finished.at(-1)!])
      expect(await trainWith(await tinyCheckpoint, tuning, trial)).toBeCloseTo(lossOf(trial)!, 6);
  });

  it('has at the grown width the loss of a training of the grown checkpoint by µP', async () => {
    const grown = await growTiny(['cloning', 'hypercloning', { hidden: 2, ffn: 2 }, cloning.options]);
    const trial = bestTrial(tuning, 'target')!;
    expect(trial.values.lr).toBeGreaterThan(0);
    expect(await trainWith(grown, tuning, trial)).toBeCloseTo(lossOf(trial)!, 5);
  });

  it('does not start again', async () => {
    await expectAppError('tune/finished', () => runTuning(dir));
  });
});

describe('a tuning that is paused', () => {
  it('continues with the same trials, and ends with the same losses', async () => {
    const whole = await makeTuning({ trials: 3, transferTrials: 0 });
    await runTuning(whole);
    const parts = await makeTuning({ trials: 3, transferTrials: 0 });
    for (const at of [1, 2]) {
      const { signal, abort } = createAborter();
      await expectAppError('cancelled', async () => {
        for await (const event of tune({ dir: parts }, signal))
          if (event.type === 'step' && event.trial === at + 1 && event.step === 3) abort();
      });
      expect((await readTuning(parts)).trials).toHaveLength(at);
    }
    await runTuning(parts);
    expect(trialsOf(await readTuning(parts))).toEqual(trialsOf(await readTuning(whole)));
  });

  it('refuses text and weights that have changed, and a second session', async () => {
    const dir = await makeTuning({ trials: 2, transferTrials: 0 });
    const tuning = await readTuning(dir);
    await writeTuning(dir, { ...tuning, textHash: 'another' });
    expect((await expectAppError('tune/changed', () => runTuning(dir))).message).toContain('text');
    await writeTuning(dir, { ...tuning, data: [createTextFile(6000, 2)] });
    const lock = await tryLock(join(dir, 'lock'));
    await expectAppError('tune/running', () => runTuning(dir));
    await lock!.release();
    await writeTuning(dir, { ...tuning, fingerprint: 'another' });
    const { message } = await expectAppError('tune/changed', () => runTuning(dir));
    expect(message).toContain('checkpoint');
    expect(existsSync(join(dir, 'report.html'))).toBe(false);
  });
});

describe('the options of shrink and perturb', () => {
  const shrink = (options: Readonly<Record<string, number>>): Partial<TuneRequest> => ({
    grow: [{ ...cloning, method: 'shrink-perturb', options }],
    trials: 1,
    transferTrials: 0,
  });

  it('are tuned at the width of the source', async () => {
    const { options } = await readTuning(await makeTuning(shrink({})));
    expect(options.map(({ id, first }) => [id, first])).toEqual([
      ['lambda', 0.4],
      ['sigma', 1],
    ]);
  });

  it('leave the source as it is with λ = 1 and σ = 0, and change it otherwise', async () => {
    const lossWith = async (changes: Partial<TuneRequest>): Promise<number> => {
      const dir = await makeTuning({ trials: 1, transferTrials: 0, ...changes });
      await runTuning(dir);
      return lossOf((await readTuning(dir)).trials[0]!)!;
    };
    const plain = await lossWith({});
    expect(await lossWith(shrink({ lambda: 1, sigma: 0 }))).toBeCloseTo(plain, 6);
    expect(Math.abs((await lossWith(shrink({}))) - plain)).toBeGreaterThan(1e-3);
  });
});

describe('a tuning that cannot compare', () => {
  it('refuses a text without a held-out part', async () => {
    const dir = await makeTuning({ settings: { ...settings, heldOut: 0 }, transferTrials: 0 });
    await expectAppError('run/bad-setting', () => runTuning(dir));
  });

  it('counts a rate at which the loss is not finite as diverged, and goes on', async () => {
    const dir = await makeTuning({
      settings: { ...settings, lr: 10, gradClip: 0, init: 'random' },
      trials: 3,
      transferTrials: 0,
    });
    const tuning = await readTuning(dir);
    await runTuning(dir);
    expect((await readTuning(dir)).trials).toHaveLength(3);
    expect(tuning.options).toEqual([]);
  });
});
