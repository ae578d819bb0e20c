/**
 * @file Growing and exporting as jobs: plan, check, start an engine, relay its progress; a cancelled or
 * failed job leaves nothing beside its target.
 */
import { basename, dirname, join } from 'node:path';
import { refuse } from '../base/errors.ts';
import { liveStates } from '../contract/activity.ts';
import type {
  CheckpointCard,
  ExportEvent,
  ExportRequest,
  GrowEvent,
  GrowJob,
  JobCard,
} from '../contract/schema.ts';
import type { GrowthRequest } from '../growth/recipe.ts';
import { checkSource, markOf, readPlan, savedPlan, type SavedPlan } from '../growth/plan/saved-plan.ts';
import { openCheckpoint, type Checkpoint } from '../store/checkpoint/checkpoint.ts';
import { exists } from '../store/fs/files.ts';
import { fingerprintOf } from '../store/checkpoint/fingerprint.ts';
import { sweepPartials } from '../store/fs/folder.ts';
import { isRun, newestStep, runCard } from '../store/run/runs.ts';
import { withEngine, withoutAnswer } from './engines.ts';
import type { Jobs } from './jobs.ts';
import { absolute, type Place } from './dependencies.ts';
import { runFolder } from './runs.ts';

/**
 * What is grown: a checkpoint's folder, or of a run's the newest saved step, which brings its moments; and
 * what to call it.
 */
async function originOf(
  dir: string,
): Promise<{ readonly checkpoint: Checkpoint; readonly name: string; readonly run: string | null }> {
  const path = absolute(dir);
  if (!(await isRun(path))) {
    const checkpoint = await openCheckpoint(path);
    return { checkpoint, name: checkpoint.card.name, run: null };
  }
  const newest = (await newestStep(path)) ?? refuse('run/no-checkpoint', { run: basename(path) });
  return {
    checkpoint: await openCheckpoint(join(newest.dir, 'model')),
    name: `${(await runCard(path)).name}, step ${newest.step}`,
    run: path,
  };
}

/**
 * A run as a checkpoint to grow; it is not remembered among the checkpoints, because later steps push it out.
 */
export async function openRun(place: Place, id: string): Promise<CheckpointCard> {
  const { checkpoint, name } = await originOf(await runFolder(place, id));
  return { ...checkpoint.card, name };
}

/** The plan for the checkpoint or run in `dir`: what the page computes too, with a print of the weights. */
export async function planFor(
  dir: string,
  request: GrowthRequest | readonly GrowthRequest[],
): Promise<SavedPlan> {
  const { checkpoint, name } = await originOf(dir);
  return savedPlan({ ...checkpoint.card, name }, request, await fingerprintOf(checkpoint));
}

/** The plan, once it is sound and made for what is in `dir`. */
export async function checkPlan(dir: string, given: unknown): Promise<SavedPlan> {
  const { checkpoint, name } = await originOf(dir);
  const plan = readPlan(given, 'the plan');
  checkSource(plan, markOf({ ...checkpoint.card, name }, await fingerprintOf(checkpoint)));
  return plan;
}

export async function startGrowth(
  place: Place,
  jobs: Jobs,
  { source, out, request, plan: given, device }: GrowJob,
): Promise<JobCard> {
  const target = absolute(out);
  const plan = request === undefined ? await checkPlan(source, given) : await planFor(source, request);
  if (await exists(target)) refuse('file/exists', { path: target });
  const {
    checkpoint: { dir },
    name,
    run,
  } = await originOf(source);
  if (run !== null && liveStates.includes((await runCard(run)).state))
    refuse('run/already-running', { run: basename(run) }); // its steps come and go
  return jobs.start<GrowEvent>('grow', `Growing ${name} into ${basename(target)}`, async (push, signal) => {
    await swept(target, () =>
      withEngine(place.processes, {}, async (engine) => {
        let done = false;
        for await (const event of engine.grow({ source: dir, out: target, plan, device }, signal)) {
          push(event);
          done ||= event.at === 'done';
        }
        if (!done) withoutAnswer();
      }),
    );
    await place.home.rememberCheckpoint(target, basename(target));
  });
}

export async function startExport(
  place: Place,
  jobs: Jobs,
  { run, out, ...how }: ExportRequest,
): Promise<JobCard> {
  const target = absolute(out);
  const onnx = how.format === 'onnx';
  const dir =
    onnx && (await exists(join(absolute(run), 'config.json'))) ? absolute(run) : await runFolder(place, run);
  if (await exists(target)) refuse('file/exists', { path: target });
  return jobs.start<ExportEvent>(
    'export',
    `Exporting ${basename(dir)} to ${basename(target)}`,
    async (push, signal) => {
      await swept(target, () =>
        withEngine(place.processes, {}, async (engine) => {
          let done = false;
          for await (const event of engine.export({ run: dir, out: target, ...how }, signal)) {
            push(event);
            done ||= event.at === 'done';
          }
          if (!done) withoutAnswer();
        }),
      );
      // it is nothing to grow or train
      if (!onnx) await place.home.rememberCheckpoint(target, basename(target));
    },
  );
}

/** When the work fails, what its dead engine left beside `target` goes too. */
async function swept(target: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    await sweepPartials(dirname(target)).catch(() => []);
    throw error;
  }
}
