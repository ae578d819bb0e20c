/** @file Growth and export as jobs: plans, checks, runs an engine and relays its progress. */
import { basename, dirname, join } from 'node:path';
import { refuse } from '../base/errors.ts';
import { activeStates } from '../contract/activity.ts';
import type {
  CheckpointSummary,
  ExportEvent,
  ExportRequest,
  GrowEvent,
  GrowJob,
  JobSummary,
} from '../contract/schema.ts';
import type { GrowthRequest } from '../growth/recipe.ts';
import { checkSource } from '../growth/plan/check-source.ts';
import { readPlan } from '../growth/plan/plan-file.ts';
import {
  createSavedPlan,
  describeSource,
  type NamedSource,
  type SavedPlan,
} from '../growth/plan/saved-plan.ts';
import { openCheckpoint, type Checkpoint } from '../store/checkpoint/checkpoint.ts';
import { exists } from '../store/fs/files.ts';
import { computeFingerprint } from '../store/checkpoint/fingerprint.ts';
import { removeStaleFolders } from '../store/fs/stale-folders.ts';
import type { Home } from '../store/home/home.ts';
import { isRun, newestStep, summarizeRun } from '../store/run/runs.ts';
import { withAbsolutePaths } from './certificates.ts';
import { throwNoResult, withEngine } from './engines.ts';
import type { Jobs } from './jobs.ts';
import { rememberMade } from './library.ts';
import { toAbsolutePath, type Dependencies } from './dependencies.ts';
import { findRunFolder } from './runs.ts';

/** The checkpoint that is grown. */
interface Source {
  readonly checkpoint: Checkpoint;
  readonly name: string;
  /** The folder of the run that saved it; null for a checkpoint. */
  readonly run: string | null;
}

/** The source in `dir`: a checkpoint, or the newest saved step of a run. */
async function openSource(dir: string): Promise<Source> {
  const path = toAbsolutePath(dir);
  if (!(await isRun(path))) {
    const checkpoint = await openCheckpoint(path);
    return { checkpoint, name: checkpoint.summary.name, run: null };
  }
  const newest = (await newestStep(path)) ?? refuse('run/no-checkpoint', { run: basename(path) });
  const checkpoint = await openCheckpoint(join(newest.dir, 'model'));
  const { name, settings } = await summarizeRun(path);
  return {
    checkpoint: settings.init === 'random' ? withoutGrowth(checkpoint) : checkpoint,
    name: `${name}, step ${newest.step}`,
    run: path,
  };
}

/** Runs of earlier versions saved the growth record of their checkpoint even if they began with random weights. */
function withoutGrowth(checkpoint: Checkpoint): Checkpoint {
  const { grownFrom, ...summary } = checkpoint.summary;
  void grownFrom;
  return { ...checkpoint, growth: null, summary };
}

const nameSource = ({ checkpoint, name }: Source): NamedSource => ({ ...checkpoint.summary, name });

/**
 * The newest step of a run as a checkpoint to grow. It is not added to the known checkpoints, because the run
 * deletes it later.
 */
export async function openRun(home: Home, id: string): Promise<CheckpointSummary> {
  const { checkpoint, name } = await openSource(await findRunFolder(home, id));
  return { ...checkpoint.summary, name };
}

/** The plan for the checkpoint or run in `dir`, with a fingerprint of its weights. */
export async function createPlan(
  dir: string,
  request: GrowthRequest | readonly GrowthRequest[],
): Promise<SavedPlan> {
  const source = await openSource(dir);
  return createSavedPlan(nameSource(source), request, await computeFingerprint(source.checkpoint));
}

/** Reads a saved plan. Throws if it is invalid, or was made for another checkpoint than the one in `dir`. */
export async function checkPlan(dir: string, json: unknown): Promise<SavedPlan> {
  const source = await openSource(dir);
  const plan = readPlan(json, 'the plan');
  checkSource(plan, describeSource(nameSource(source), await computeFingerprint(source.checkpoint)));
  return plan;
}

export async function startGrowth(
  { home, processes }: Dependencies,
  jobs: Jobs,
  { source: sourceDir, out, request, plan: savedPlan, device, certificateText }: GrowJob,
): Promise<JobSummary> {
  const target = toAbsolutePath(out);
  const plan =
    request === undefined ? await checkPlan(sourceDir, savedPlan) : await createPlan(sourceDir, request);
  if (await exists(target)) refuse('file/exists', { path: target });
  const { checkpoint, name, run } = await openSource(sourceDir);
  // A run that trains may delete the step while it is read.
  if (run !== null && activeStates.includes((await summarizeRun(run)).state))
    refuse('run/already-running', { run: basename(run) });
  const title = `Growing ${name} into ${basename(target)}`;
  return jobs.start<GrowEvent>('grow', title, async (push, signal) => {
    await removePartialsOnError(target, () =>
      withEngine(processes, {}, async (engine) => {
        const text = certificateText && withAbsolutePaths(certificateText);
        const job = {
          source: checkpoint.dir,
          out: target,
          plan,
          device,
          ...(text ? { certificateText: text } : {}),
        };
        // Of the progress of the certificate, later followers need only the last event.
        await relay(engine.grow(job, signal), (event) => {
          push(event, event.type === 'certifying' ? event.type : undefined);
        });
      }),
    );
    await rememberMade({ home }, target, 'grown');
  });
}

export async function startExport(
  { home, processes }: Dependencies,
  jobs: Jobs,
  { run, out, ...options }: ExportRequest,
): Promise<JobSummary> {
  const target = toAbsolutePath(out);
  const isForInference = options.format === 'onnx' || options.format === 'gguf';
  const path = toAbsolutePath(run);
  const isCheckpoint = isForInference && (await exists(join(path, 'config.json')));
  const dir = isCheckpoint ? path : await findRunFolder(home, run);
  if (await exists(target)) refuse('file/exists', { path: target });
  const title = `Exporting ${basename(dir)} to ${basename(target)}`;
  return jobs.start<ExportEvent>('export', title, async (push, signal) => {
    await removePartialsOnError(target, () =>
      withEngine(processes, {}, async (engine) => {
        const request = { run: dir, out: target, ...options };
        await relay(engine.export(request, signal), push);
      }),
    );
    // An ONNX or GGUF file can be neither grown nor trained.
    if (!isForInference) await rememberMade({ home }, target, 'exported');
  });
}

/** Pushes every event. Throws if the stream ends without a `done` event. */
export async function relay<E extends { readonly type: string }>(
  events: AsyncIterable<E>,
  push: (event: E) => void,
): Promise<void> {
  let isDone = false;
  for await (const event of events) {
    push(event);
    isDone ||= event.type === 'done';
  }
  if (!isDone) throwNoResult();
}

/** Removes the partial folders that a dead engine left next to `target` if `work` fails. */
export async function removePartialsOnError(target: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    await removeStaleFolders(dirname(target)).catch(() => []);
    throw error;
  }
}
