/** @file Growing and exporting as jobs: plan, check, start an engine, relay its progress; a cancelled or failed job leaves nothing beside its target. */
import { basename, dirname } from 'node:path';
import { refuse } from '../base/errors.ts';
import type { ExportEvent, ExportRequest, GrowEvent, GrowJob, JobCard } from '../contract/schema.ts';
import { planGrowth } from '../growth/plan.ts';
import type { GrowthPlan, GrowthRequest } from '../growth/recipe.ts';
import { openCheckpoint } from '../store/checkpoint.ts';
import { exists } from '../store/files.ts';
import { sweepPartials } from '../store/folder.ts';
import { withEngine, withoutAnswer } from './engines.ts';
import type { Jobs } from './jobs.ts';
import { absolute, type Place } from './place.ts';
import { runFolder } from './runs.ts';

/** The plan for the checkpoint in `dir`: what the page computes too. */
export async function planFor(dir: string, request: GrowthRequest): Promise<GrowthPlan> {
  const { card } = await openCheckpoint(absolute(dir));
  return planGrowth(card, request);
}

export async function startGrowth(place: Place, jobs: Jobs, { source, out, request, device }: GrowJob): Promise<JobCard> {
  const target = absolute(out);
  const plan = await planFor(source, request);
  if (await exists(target)) refuse('file/exists', { path: target });
  return jobs.start<GrowEvent>('grow', `Growing ${basename(absolute(source))} into ${basename(target)}`, async (push, signal) => {
    await swept(target, () => withEngine(place.processes, {}, async (engine) => {
      let done = false;
      for await (const event of engine.grow({ source: absolute(source), out: target, plan, device }, signal)) { push(event); done ||= event.at === 'done'; }
      if (!done) withoutAnswer();
    }));
    await place.home.rememberCheckpoint(target, basename(target));
  });
}

export async function startExport(place: Place, jobs: Jobs, { run, out, dtype }: ExportRequest): Promise<JobCard> {
  const target = absolute(out), dir = await runFolder(place, run);
  if (await exists(target)) refuse('file/exists', { path: target });
  return jobs.start<ExportEvent>('export', `Exporting ${basename(dir)} to ${basename(target)}`, async (push, signal) => {
    await swept(target, () => withEngine(place.processes, {}, async (engine) => {
      let done = false;
      for await (const event of engine.export({ run: dir, out: target, dtype }, signal)) { push(event); done ||= event.at === 'done'; }
      if (!done) withoutAnswer();
    }));
    await place.home.rememberCheckpoint(target, basename(target));
  });
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
