/** @file PyTorch stops early at the step at which Cambium does, also after a resume in the other engine. */
import { expect, it } from 'vitest';
import { readEvents } from '../../src-main/store/run/events.ts';
import { claimRun, summarizeRun } from '../../src-main/store/run/runs.ts';
import { launchDefaults } from '../../src-main/train/launch.ts';
import type { TrainingSettings } from '../../src-main/train/settings.ts';
import { textFile, tinyCheckpoint, trainRun, trainUntilStep } from '../engine/train/train-run.ts';
import { eventsOfType } from '../engine/workbench.ts';
import { createRunWith, describeTorch } from './torch-run.ts';

/** No loss falls by 100 nats: the evaluation before the first step stays the best one. */
const settings: Partial<TrainingSettings> = {
  tokens: 20 * 4 * 16,
  microBatch: 2,
  gradAccum: 2,
  evaluateEvery: 2,
  earlyStoppingPatience: 3,
  earlyStoppingThreshold: 100,
};
const expected = { type: 'early-stopped', step: 6, bestStep: 0, evaluations: 3 };

describeTorch('early stopping with PyTorch', () => {
  it.each([1, 2])('ends a run on %i processes', async (processes) => {
    const run = await createRunWith(
      processes,
      { checkpoint: await tinyCheckpoint, data: [textFile] },
      settings,
    );
    const events = await trainRun(run);
    expect(eventsOfType(events, 'early-stopped')).toMatchObject([expected]);
    expect(events.at(-1)).toMatchObject({ type: 'stopped', reason: 'finished', step: 6 });
    expect(await summarizeRun(run)).toMatchObject({ state: 'finished', earlyStopped: { evaluations: 3 } });
  });

  it("counts the evaluations of Cambium's engine before it", async () => {
    const run = await createRunWith(null, { checkpoint: await tinyCheckpoint, data: [textFile] }, settings);
    await trainUntilStep(run, 5);
    await claimRun(run, { launch: { ...launchDefaults, processes: 1 } });
    await trainRun(run);
    expect(eventsOfType(await readEvents(run), 'early-stopped')).toMatchObject([expected]);
  });

  it('refuses to keep other checkpoints than the newest', async () => {
    const files = { checkpoint: await tinyCheckpoint, data: [textFile] };
    const run = await createRunWith(1, files, { ...settings, keepBest: 1 });
    expect((await trainRun(run)).at(-1)).toMatchObject({
      reason: 'failed',
      error: { code: 'torch/unsupported' },
    });
  });
});
