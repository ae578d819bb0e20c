/** @file What a request to resume a run changes in its folder. Refuses what cannot be continued. */
import { basename } from 'node:path';
import { refuse } from '../base/errors.ts';
import type { RunSummary } from '../contract/schema.ts';
import { findStep } from '../store/run/checkpoints.ts';
import type { RunChanges } from '../store/run/runs.ts';
import { readStepRecord } from '../store/run/step-record.ts';
import { isPatienceSpent } from '../train/early-stopping.ts';
import type { ResumeChanges } from '../train/resume.ts';
import type { RunSettings } from '../train/run.ts';
import type { TrainingSettings } from '../train/settings.ts';
import { extendInStage, settingsInStage, stageOf, tokensAt, type RunStage } from '../train/stages.ts';

/**
 * The changes of a run that is not training. Throws `run/no-step`, `run/finished`, `run/early-stopped`,
 * `run/fewer-tokens` and `run/bad-setting`; nothing is changed then.
 */
export async function planResume(
  summary: RunSummary,
  { step, tokens, rewarmSteps, schedule, memoryOverrides, earlyStoppingPatience, launch }: ResumeChanges,
): Promise<RunChanges> {
  const isGoingBack = step !== undefined && step !== summary.savedStep;
  const run = step === undefined ? summary : await summaryAt(summary, step);
  const name = basename(run.dir);
  const overridden = applyMemoryOverrides(run, memoryOverrides ?? {});
  const settings: TrainingSettings = {
    ...overridden.settings,
    ...(earlyStoppingPatience === undefined ? {} : { earlyStoppingPatience }),
  };
  const isFinished = run.state === 'finished' && !isGoingBack;
  if (isFinished) checkEarlyStop(run, settings);
  const stage = stageOf({ ...run, settings }, run.stageStarts);
  const savedStep = run.savedStep ?? 0;
  const done = tokensAt(stage, savedStep);
  const isChanged = memoryOverrides !== undefined || earlyStoppingPatience !== undefined;
  const common = {
    ...(step === undefined ? {} : { step }),
    ...(launch === undefined ? {} : { launch }),
    ...(overridden.stages ? { stages: overridden.stages } : {}),
  };
  if (tokens === undefined) {
    if (isFinished && !run.earlyStopped) refuse('run/finished', { run: name, steps: run.steps });
    return { ...common, ...(isChanged ? { settings } : {}) };
  }
  if (tokens <= done) refuse('run/fewer-tokens', { run: name, asked: tokens, done });
  const rewarm = rewarmSteps ?? (isFinished ? settings.rewarmSteps : 0);
  return { ...common, settings: extendInStage(stage, savedStep, tokens, rewarm, schedule) };
}

/** The summary as it would be if the run had only come to `step`. */
async function summaryAt(run: RunSummary, step: number): Promise<RunSummary> {
  const { stages } = await readStepRecord(await findStep(run.dir, step));
  return { ...run, step, savedStep: step, ...(stages ? { stageStarts: stages } : {}) };
}

/** Refuses to continue a run whose patience would be spent at once. */
function checkEarlyStop({ dir, step, earlyStopped }: RunSummary, settings: TrainingSettings): void {
  if (!earlyStopped || !isPatienceSpent(earlyStopped, settings)) return;
  refuse('run/early-stopped', { run: basename(dir), step, evaluations: earlyStopped.evaluations });
}

const sequencesPerUpdate = (s: TrainingSettings): number => s.microBatch * s.gradAccum;

/**
 * The settings and stages of a run with overrides that save memory. What a stage sets itself is changed there. After
 * the first save the context length and the sequences per update cannot change, because the position in the data is
 * counted in updates.
 */
function applyMemoryOverrides(
  run: RunSummary,
  overrides: NonNullable<ResumeChanges['memoryOverrides']>,
): Pick<RunSettings, 'settings' | 'stages'> {
  const given = Object.fromEntries(
    Object.entries(overrides).filter(([, value]) => value !== undefined),
  ) as Partial<TrainingSettings>;
  const index = stageOf(run, run.stageStarts).index;
  const ownOf = (stage: RunStage): Partial<TrainingSettings> =>
    Object.fromEntries(Object.entries(given).filter(([id]) => id in stage));
  const settings: TrainingSettings = { ...run.settings, ...given };
  const stages = run.stages?.map((stage, i) => (i < index ? stage : { ...stage, ...ownOf(stage) }));
  if (run.savedStep !== null)
    checkSameSequences(
      settingsInStage(run.settings, run.stages?.[index]),
      settingsInStage(settings, stages?.[index]),
    );
  return { settings, ...(stages ? { stages } : {}) };
}

function checkSameSequences(before: TrainingSettings, after: TrainingSettings): void {
  if (after.contextLength !== before.contextLength)
    refuse('run/bad-setting', {
      setting: 'context length',
      why: `must stay ${before.contextLength} after the first save`,
    });
  const sequences = sequencesPerUpdate(before);
  if (sequencesPerUpdate(after) !== sequences)
    refuse('run/bad-setting', {
      setting: 'micro-batch size × gradient accumulation steps',
      why: `must stay ${sequences}, the number of sequences in an update of this run`,
    });
}
