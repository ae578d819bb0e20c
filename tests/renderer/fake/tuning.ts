/** @file Tunings in the fake service: each makes its trials at once, on a bowl over the learning rate. */
import { AppError, refuse } from '../../../src-main/base/errors.ts';
import type { Service } from '../../../src-main/contract/service.ts';
import type { StoredTuning, TuneEvent } from '../../../src-main/contract/tune.ts';
import { renderTuningPage } from '../../../src-main/train/tuning/report.ts';
import { nextTrial, trialsLeft } from '../../../src-main/train/tuning/search.ts';
import type { CoordinateCheck, Trial, Tuning } from '../../../src-main/train/tuning/tuning.ts';
import type { FakeJobs } from './jobs.ts';
import { sleep } from './sleep.ts';

type TuningPart = Pick<
  Service,
  'startTuning' | 'estimateTuning' | 'resumeTuning' | 'followTuning' | 'tunings' | 'tuning' | 'tuningReport'
>;

const coordinateCheck: CoordinateCheck = {
  widths: [32, 64, 128],
  steps: 4,
  lr: 1e-2,
  layers: 2,
  mup: [{ name: 'logits', scales: [0.5, 0.5, 0.5], exponent: 0 }],
  standard: [{ name: 'logits', scales: [0.25, 0.5, 1], exponent: 1 }],
};

export function createFakeTunings(pace: number, jobs: FakeJobs): TuningPart {
  const stored = new Map<string, Tuning>();
  const dirOfJob = new Map<string, string>();
  const find = (dir: string): StoredTuning => ({
    dir,
    tuning: stored.get(dir) ?? refuse('tune/not-found', { path: dir }),
  });
  const start = (dir: string): ReturnType<FakeJobs['start']> => {
    const job = jobs.start('tune', `Tuning ${find(dir).tuning.name}`);
    dirOfJob.set(job.id, dir);
    return job;
  };
  return {
    startTuning: async ({ checkpoint, data, settings, trials, transferTrials, grow, ...request }) => {
      const dir = request.out ?? `/home/me/.cambium/tunings/${stored.size + 1}`;
      const source = { dims: { hidden: 64 }, width: 64, parameters: 260_000 };
      stored.set(dir, {
        version: 1,
        name: checkpoint.split('/').pop()!,
        created: new Date().toISOString(),
        checkpoint,
        fingerprint: 'abc',
        data,
        textHash: null,
        settings,
        grow: grow ? [grow].flat() : null,
        budget: { source: trials, target: grow ? transferTrials : 0 },
        wantsCoordinateCheck: request.coordinateCheck,
        options: [],
        mupBase: 'hidden=64',
        source,
        target: grow ? { ...source, width: 128, parameters: 1_000_000 } : null,
        multipliers: [{ what: 'output', value: 0.5, carriedBy: 'norm' }],
        trials: [],
        coordinateCheck: null,
        isDone: false,
      });
      return start(dir);
    },
    estimateTuning: ({ trials, transferTrials, settings }) =>
      Promise.resolve({
        trials: trials + transferTrials,
        tokens: { low: settings.tokens, high: settings.tokens * (trials + transferTrials) },
        seconds: { low: 60, likely: 90, high: 120 },
      }),
    resumeTuning: async ({ dir }) => start(dir),
    followTuning: async function* ({ id }): AsyncIterable<TuneEvent> {
      const dir = dirOfJob.get(id) ?? refuse('job/not-found', { job: id });
      let { tuning } = find(dir);
      if (tuning.wantsCoordinateCheck) tuning = { ...tuning, coordinateCheck };
      for (let next = nextTrial(tuning); next; next = nextTrial(tuning)) {
        const { width, tests, values } = next;
        const loss = 2 + 0.1 * Math.log2(values.lr / 1e-3) ** 2;
        const trial = tuning.trials.length + 1;
        yield { type: 'step', trial, left: trialsLeft(tuning), width, tests, values, step: 1, of: 2, loss };
        await sleep(pace);
        if (jobs.find(id).state === 'cancelled') throw new AppError('cancelled', { what: 'Tuning' });
        const made: Trial = { ...next, rungs: [{ step: 2, loss }], end: 'finished', seconds: 2 };
        tuning = { ...tuning, trials: [...tuning.trials, made] };
        stored.set(dir, tuning);
        yield { type: 'tuning', dir, tuning };
      }
      tuning = { ...tuning, isDone: true };
      stored.set(dir, tuning);
      jobs.setState(id, 'done');
      yield { type: 'done', dir, tuning };
    },
    tunings: async ({ checkpoint }) =>
      [...stored]
        .filter(([, tuning]) => checkpoint === undefined || tuning.checkpoint === checkpoint)
        .map(([dir, tuning]) => ({ dir, tuning }))
        .reverse(),
    tuning: async ({ dir }) => find(dir),
    tuningReport: async ({ dir, format }) => {
      const { tuning } = find(dir);
      return {
        name: `tuning.${format}`,
        text: format === 'json' ? JSON.stringify(tuning) : renderTuningPage(tuning),
      };
    },
  };
}
