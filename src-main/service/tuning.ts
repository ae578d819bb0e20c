/** @file Tunings: creates their folders, runs them as jobs, lists those of a checkpoint, and makes reports. */
import { basename } from 'node:path';
import { refuse } from '../base/errors.ts';
import type { JobSummary } from '../contract/schema.ts';
import type { StoredTuning, TuneEvent, TuneRequest } from '../contract/tune.ts';
import { subjectOf } from '../cost/programs.ts';
import { sortByChoice } from '../cost/speed.ts';
import { estimateTuning, type TuningEstimate } from '../cost/tuning.ts';
import { planStages, sourceFromPlan } from '../growth/plan/stages.ts';
import { methods } from '../growth/methods/index.ts';
import type { GrowthPlan, GrowthRequest } from '../growth/recipe.ts';
import { settingsOf } from '../model/config.ts';
import { familyById } from '../model/families/index.ts';
import { countParameters } from '../model/parameters.ts';
import { openCheckpoint, type Checkpoint } from '../store/checkpoint/checkpoint.ts';
import { computeFingerprint } from '../store/checkpoint/fingerprint.ts';
import { findDataFiles } from '../store/data/dataset-files.ts';
import { exists, makeFolder, writeOrRefuse } from '../store/fs/files.ts';
import { openKnownFolders } from '../store/home/known-folders.ts';
import type { QueuePlace } from '../store/home/run-queue.ts';
import { isTuning, readTuning, writeTuning } from '../store/run/tuning-file.ts';
import { formatMupBase, mupModelOf, mupMultipliers } from '../train/mup.ts';
import { renderTuningPage } from '../train/tuning/report.ts';
import type { Tuning } from '../train/tuning/tuning.ts';
import { checkContextLength } from '../train/run-text.ts';
import type { Costs } from './cost.ts';
import { toAbsolutePath, type Dependencies } from './dependencies.ts';
import { throwNoResult, withEngine } from './engines.ts';
import type { DeviceTurns } from './device-turns.ts';
import { listWorking, type OtherWork } from './queued-work.ts';
import type { Jobs } from './jobs.ts';

export interface Tunings {
  start(request: TuneRequest): Promise<JobSummary>;
  /** What all its trials will take. */
  estimate(request: TuneRequest): Promise<TuningEstimate>;
  /** Continues a tuning that was paused or interrupted. */
  resume(dir: string, place?: QueuePlace): Promise<JobSummary>;
  /** The tunings that work now, by what they were asked for. */
  listActive(): Promise<readonly OtherWork[]>;
  /** Tunings of a checkpoint and of the source that it was grown from, or all of them, newest first. */
  list(checkpoint?: string): Promise<readonly StoredTuning[]>;
  read(dir: string): Promise<StoredTuning>;
  report(dir: string, format: 'json' | 'html'): Promise<{ readonly name: string; readonly text: string }>;
}

export function createTunings(
  { home, processes }: Dependencies,
  jobs: Jobs,
  turns: DeviceTurns,
  costs: Pick<Costs, 'facts'>,
): Tunings {
  const folders = openKnownFolders(home, 'tuning', isTuning);
  /** Folders with a job of this process. */
  const running = new Set<string>();

  const run = async (
    dir: string,
    { name, settings }: Tuning,
    place: QueuePlace | undefined,
  ): Promise<JobSummary> => {
    if (running.has(dir)) refuse('tune/running', { path: dir });
    running.add(dir);
    await folders.remember(dir);
    return jobs.start<TuneEvent>('tune', `Tuning ${name}`, async (push, signal) => {
      const turn = { kind: 'tuning', dir, demand: { settings }, place } as const;
      const work = (): Promise<void> =>
        withEngine(processes, {}, async (engine) => {
          let isDone = false;
          for await (const event of engine.tune({ dir }, signal)) {
            // Later followers need the last state and the last step alone.
            push(event, event.type);
            isDone ||= event.type === 'done';
          }
          if (!isDone) throwNoResult();
        });
      try {
        await turns.take(turn, signal, push, work);
      } finally {
        running.delete(dir);
      }
    });
  };

  return {
    async start(request) {
      const tuning = await createTuning(request);
      const { out } = request;
      const dir = out === undefined ? await folders.findFree(tuning.name) : toAbsolutePath(out);
      if (out !== undefined && (await exists(dir))) refuse('file/exists', { path: dir });
      await writeOrRefuse(dir, () => makeFolder(dir));
      await writeTuning(dir, tuning);
      return run(dir, tuning, request.queue);
    },
    async estimate(request) {
      const { settings } = request;
      const checkpoint = await openCheckpoint(toAbsolutePath(request.checkpoint));
      const plan = planTarget(checkpoint, request);
      const { targets, assumptions } = await costs.facts();
      const widths = [
        { subject: subjectOf(checkpoint), count: request.trials },
        ...(plan ? [{ subject: sourceFromPlan(plan), count: request.transferTrials }] : []),
      ];
      return estimateTuning(widths, settings, {
        targets: sortByChoice(targets, settings.device),
        assumptions,
      });
    },
    async resume(given, place) {
      const dir = toAbsolutePath(given);
      const tuning = await readTuning(dir);
      if (tuning.isDone) refuse('tune/finished', { path: dir });
      return run(dir, tuning, place);
    },
    async listActive() {
      return listWorking(await folders.list(), [...running], readTuning);
    },
    async list(given) {
      const known = await Promise.all(
        (await folders.list()).map(async (dir) => {
          const tuning = await readTuning(dir).catch(() => undefined);
          return tuning && { dir, tuning };
        }),
      );
      const found = known.filter((one) => one !== undefined);
      if (given === undefined) return found;
      const wanted = await relatives(toAbsolutePath(given));
      return found.filter(({ tuning }) => wanted.includes(tuning.checkpoint));
    },
    async read(given) {
      const dir = toAbsolutePath(given);
      return { dir, tuning: await readTuning(dir) };
    },
    async report(given, format) {
      const dir = toAbsolutePath(given);
      const tuning = await readTuning(dir);
      const text = format === 'json' ? `${JSON.stringify(tuning, null, 1)}\n` : renderTuningPage(tuning);
      return { name: `${basename(dir)}-tuning.${format}`, text };
    },
  };
}

/** A checkpoint, and the source of its growth: rates by µP hold for both. */
async function relatives(dir: string): Promise<readonly string[]> {
  const { growth } = await openCheckpoint(dir);
  return growth ? [dir, growth.source] : [dir];
}

/** What tune.json says before the first trial. Throws what planning the growth and checking the settings throw. */
export async function createTuning(request: TuneRequest): Promise<Tuning> {
  const { settings, weights, field } = request;
  const dir = toAbsolutePath(request.checkpoint);
  const data = request.data.map(toAbsolutePath);
  const checkpoint = await openCheckpoint(dir);
  const { summary, family, dims } = checkpoint;
  if (!summary.tokenizer) refuse('checkpoint/no-tokenizer', { path: dir });
  checkContextLength(checkpoint, settings);
  for (const path of data) await findDataFiles(path);
  const requests = requestsOf(request);
  const plan = planTarget(checkpoint, request);
  const mupBase = settings.mupBase === 'off' ? formatMupBase(dims) : settings.mupBase;
  const target = plan ? targetOf(plan) : undefined;
  const mup = mupModelOf(target ?? checkpoint, { ...settings, mupBase })!;
  return {
    version: 1,
    name: request.name?.trim() || summary.name,
    created: new Date().toISOString(),
    checkpoint: dir,
    fingerprint: await computeFingerprint(checkpoint),
    data,
    ...(weights ? { weights } : {}),
    ...(field === undefined ? {} : { field }),
    textHash: null,
    settings,
    grow: requests.length > 0 ? [...requests] : null,
    budget: { source: request.trials, target: plan ? request.transferTrials : 0 },
    wantsCoordinateCheck: request.coordinateCheck,
    options: settings.init === 'random' ? [] : tunedOptions(requests[0]),
    mupBase,
    source: { dims, width: dims[family.stream.axis]!, parameters: countOf(checkpoint) },
    target: target
      ? { dims: target.dims, width: target.dims[target.family.stream.axis]!, parameters: countOf(target) }
      : null,
    multipliers: [...mupMultipliers(mup)],
    trials: [],
    coordinateCheck: null,
    isDone: false,
  };
}

const requestsOf = ({ grow }: TuneRequest): readonly GrowthRequest[] =>
  grow === undefined ? [] : [grow].flat();

/** The growth that the values are transferred to; undefined for none. */
function planTarget({ summary }: Checkpoint, request: TuneRequest): GrowthPlan | undefined {
  const requests = requestsOf(request);
  return requests.length > 0 ? planStages(summary, requests).at(-1)! : undefined;
}

type Shape = Pick<Checkpoint, 'family' | 'dims' | 'settings'>;

const countOf = ({ family, dims, settings }: Shape): number => countParameters(family, dims, settings);

function targetOf({ family: id, to, config }: GrowthPlan): Shape {
  const family = familyById(id);
  return { family, dims: to, settings: settingsOf(family, config) };
}

/** The options of the first growth that change a model of the source's size too. */
function tunedOptions(request: GrowthRequest | undefined): Tuning['options'] {
  const method = request && methods.get(request.method);
  return Object.entries(method?.tunable ?? {}).map(([id, candidates]) => {
    const option = method!.options.find((one) => one.id === id)!;
    return { id, label: option.label, candidates, first: Number(request!.options[id] ?? option.default) };
  });
}
