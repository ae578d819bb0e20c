/** @file PyTorch trains a run as a job of a real Slurm with two nodes: queue, follow, stop, time limit. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAborter } from '../../src-main/base/signals.ts';
import { train } from '../../src-main/engine/train/train-job.ts';
import { readEvents } from '../../src-main/store/run/events.ts';
import type { LaunchSettings, SlurmSettings } from '../../src-main/train/launch.ts';
import type { TrainingSettings } from '../../src-main/train/settings.ts';
import {
  lossesOf,
  stepNumbersOf,
  stepsTo,
  textFile,
  tinyCheckpoint,
  trainRun,
  trainUntilStep,
} from '../engine/train/train-run.ts';
import { eventsOfType, neverAborted } from '../engine/workbench.ts';
import { hasSlurm, startCluster, type Cluster } from './slurm-cluster.ts';
import { createRunWith, describeTorch, relativeDifference } from './torch-run.ts';

const steps = 40;
const settings: Partial<TrainingSettings> = {
  tokens: steps * 4 * 16,
  microBatch: 2,
  gradAccum: 2,
  saveEvery: 10,
};

const createSlurmRun = async (
  changes: Partial<SlurmSettings> = {},
  more: Partial<TrainingSettings> = {},
): Promise<string> => {
  const slurm: SlurmSettings = { nodes: 2, minutes: 30, partition: 'main', cpus: 1, ...changes };
  const launch: Partial<LaunchSettings> = { slurm };
  return createRunWith(
    1,
    { checkpoint: await tinyCheckpoint, data: [textFile] },
    { ...settings, ...more },
    launch,
  );
};

const expectedLosses = async (more: Partial<TrainingSettings> = {}): Promise<readonly number[]> => {
  const files = { checkpoint: await tinyCheckpoint, data: [textFile] };
  return lossesOf(await trainRun(await createRunWith(null, files, { ...settings, ...more })));
};

const slurm = (command: string, ...args: readonly string[]): string => {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${stderr}`);
  return stdout.trim();
};
const jobOf = (dir: string): string =>
  (JSON.parse(readFileSync(join(dir, 'torch', 'slurm.json'), 'utf8')) as { readonly job: string }).job;

describe.skipIf(!hasSlurm)('a job of Slurm (needs root and slurmctld, slurmd, slurm-client, munge)', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster();
    process.env['SLURM_CONF'] = cluster.config;
  });
  afterAll(() => {
    cluster.stop();
  });

  describeTorch('with PyTorch', () => {
    it("has the losses of Cambium's engine on two nodes", async () => {
      const events = await trainRun(await createSlurmRun());
      expect(events.at(-1)).toMatchObject({ type: 'stopped', reason: 'finished' });
      expect(stepNumbersOf(events)).toEqual(stepsTo(steps));
      expect(eventsOfType(events, 'started')[0]!.deviceName).toContain('2 ×');
      expect(relativeDifference(await expectedLosses(), lossesOf(events))).toBeLessThan(1e-4);
    });

    it('is stopped on request, and resumed by another job', async () => {
      const dir = await createSlurmRun();
      expect((await trainUntilStep(dir, 13)).at(-1)).toMatchObject({ type: 'stopped', reason: 'requested' });
      expect((await trainRun(dir)).at(-1)).toMatchObject({ type: 'stopped', reason: 'finished' });
      const events = await readEvents(dir);
      expect(stepNumbersOf(events)).toEqual(stepsTo(steps));
      expect(relativeDifference(await expectedLosses(), lossesOf(events))).toBeLessThan(1e-4);
    });

    it('saves before its time limit, and is queued again', async () => {
      const dir = await createSlurmRun({}, { tokens: 400 * 4 * 16, saveEvery: 0 });
      let isAsked = false;
      const events = [];
      for await (const event of train({ run: dir }, neverAborted)) {
        events.push(event);
        if (event.type !== 'step' || event.step < 20 || isAsked) continue;
        isAsked = true;
        // The signal that Slurm sends shortly before the time limit.
        slurm('scancel', '--batch', '--signal=USR1', jobOf(dir));
      }
      expect(events.at(-1)).toMatchObject({ type: 'stopped', reason: 'finished' });
      const started = eventsOfType(events, 'started');
      expect(started).toHaveLength(2);
      expect(started[1]!.step).toBeGreaterThanOrEqual(20);
      expect(stepNumbersOf(events)).toEqual(stepsTo(400));
    });

    it('goes on without Cambium, and a later session follows it', async () => {
      const dir = await createSlurmRun({}, { tokens: 300 * 4 * 16 });
      const events = train({ run: dir }, neverAborted);
      for await (const event of events) if (event.type === 'step' && event.step >= 5) break;
      const job = jobOf(dir);
      expect(slurm('squeue', '-h', '-j', job, '-o', '%T')).toBe('RUNNING');
      const rest = await trainRun(dir);
      expect(rest.at(-1)).toMatchObject({ type: 'stopped', reason: 'finished' });
      expect(stepNumbersOf(await readEvents(dir))).toEqual(stepsTo(300));
      expect(eventsOfType(rest, 'started')).toEqual([]);
    });

    it('is cancelled while it waits in the queue', async () => {
      const dir = await createSlurmRun({ options: ['--hold'] });
      let job = '';
      const events = [];
      const { signal, abort } = createAborter();
      const timer = setInterval(() => {
        try {
          job = jobOf(dir);
          abort();
        } catch {
          // It is not queued yet.
        }
      }, 200);
      for await (const event of train({ run: dir }, signal)) events.push(event);
      clearInterval(timer);
      expect(events.at(-1)).toMatchObject({ type: 'stopped', reason: 'requested' });
      expect(slurm('squeue', '-h', '-j', job, '-t', 'PENDING,RUNNING')).toBe('');
    });

    it('names what sbatch does not accept', async () => {
      const events = await trainRun(await createSlurmRun({ partition: 'nowhere' }));
      expect(eventsOfType(events, 'stopped').at(-1)?.error).toMatchObject({
        code: 'slurm/failed',
        detail: { command: 'sbatch' },
      });
    });
  });
});
