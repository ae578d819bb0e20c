/** @file Training runs. The folder of a run is its state; while it trains it has its own engine. */
import { basename } from 'node:path';
import { refuse } from '../base/errors.ts';
import { createQueue } from '../base/queue.ts';
import type { AbortSignalLike } from '../base/signals.ts';
import { activeStates } from '../contract/activity.ts';
import type {
  CheckpointSummary,
  DecayRequest,
  ResumeRequest,
  RunSummary,
  RunEvent,
  TrainingRequest,
} from '../contract/schema.ts';
import { planRunStages } from '../contract/stages.ts';
import { openCheckpoint } from '../store/checkpoint/checkpoint.ts';
import { exists } from '../store/fs/files.ts';
import { findDataFiles } from '../store/data/dataset-files.ts';
import { followEvents } from '../store/run/events.ts';
import { claimRun, createRun, isRun, requestDecay, requestStop, summarizeRun } from '../store/run/runs.ts';
import { requestGrowth } from '../store/run/stage-files.ts';
import { createLinkedController } from '../store/fs/signals.ts';
import type { Home } from '../store/home/home.ts';
import type { LaunchSettings } from '../train/launch.ts';
import type { RunSettings } from '../train/run.ts';
import { isDecaying } from '../train/schedule.ts';
import type { TrainingSettings } from '../train/settings.ts';
import {
  decayInStage,
  extendInStage,
  settingsInStage,
  stageOf,
  tokensAt,
  type RunStage,
} from '../train/stages.ts';
import { toAbsolutePath, type Dependencies } from './dependencies.ts';
import type { RunCheck } from './run-checks.ts';
import { createRunEngines } from './run-engines.ts';

export interface Runs {
  start(request: TrainingRequest): Promise<RunSummary>;
  /** Continues a run; `tokens` is a new total. */
  resume(request: ResumeRequest): Promise<RunSummary>;
  /** Decays the learning rate from the current step; the run ends with the decay. */
  decay(request: DecayRequest): Promise<RunSummary>;
  /** Ends the stage of a run with stages, and grows. */
  grow(id: string): Promise<RunSummary>;
  /** Requests the run to stop and save, and waits until it has. */
  stop(id: string): Promise<RunSummary>;
  list(): Promise<readonly RunSummary[]>;
  summarize(id: string): Promise<RunSummary>;
  /** The number of runs with an engine of this process. */
  countRunning(): number;
  /** Stops and saves every run of this process. */
  stopAll(): Promise<void>;
}

export interface RunsOptions {
  /** Engines keep running when this process ends. */
  readonly detached?: boolean;
  /** Throws for a request whose run could not end. Called before the folder of the run exists. */
  readonly check?: RunCheck;
  /** Called for a new run before its engine starts. Its errors are ignored. */
  readonly onCreated?: (dir: string, request: TrainingRequest) => Promise<void>;
}

/** The folder of a run, given by its path or by the name of its folder. */
export async function findRunFolder(home: Home, id: string): Promise<string> {
  const path = toAbsolutePath(id);
  if (await isRun(path)) return path;
  const sameName = (await home.listRuns()).filter((dir) => basename(dir) === id);
  for (const dir of sameName) if (await isRun(dir)) return dir;
  return refuse('run/not-found', { run: id });
}

/** The folder of a model: a checkpoint, or a run. */
export async function findModelFolder(home: Home, id: string): Promise<string> {
  const path = toAbsolutePath(id);
  return (await exists(path)) ? path : findRunFolder(home, id);
}

const isActive = ({ state }: RunSummary): boolean => activeStates.includes(state);

export function createRuns(
  { home, processes }: Dependencies,
  { detached = false, check, onCreated }: RunsOptions = {},
): Runs {
  const engines = createRunEngines(processes, detached);

  /** The summary of a run; if its engine is exiting, the summary after that. */
  const summarizeStopped = async (id: string): Promise<RunSummary> => {
    const dir = await findRunFolder(home, id);
    if (engines.isExiting(dir)) await engines.waitUntilStopped(dir);
    return summarizeRun(dir);
  };

  /** Claims the run, applies `settings`, and trains it. */
  const resumeWith = async (
    run: RunSummary,
    settings?: TrainingSettings,
    launch?: LaunchSettings | null,
    stages?: readonly RunStage[],
  ): Promise<RunSummary> => {
    const { dir } = run;
    if (isActive(run) || engines.has(dir)) refuse('run/already-running', { run: basename(dir) });
    const claimed = claimRun(dir, settings, launch, stages);
    // Registers the engine before anything is awaited: two resumes at once must not start two engines.
    engines.launch(dir, claimed);
    await claimed;
    await home.rememberRun(dir);
    return summarizeRun(dir);
  };

  return {
    async start(request) {
      const checkpoint = toAbsolutePath(request.checkpoint);
      const data = request.data.map(toAbsolutePath);
      const model = await openCheckpoint(checkpoint);
      const { summary } = model;
      for (const path of data) await findDataFiles(path);
      const out = request.out === undefined ? undefined : toAbsolutePath(request.out);
      const name = request.name?.trim() || (out === undefined ? summary.name : basename(out));
      const { settings, stages } = request;
      if (stages) checkStages(summary, request, stages);
      await check?.({ ...request, checkpoint, data, ...(out === undefined ? {} : { out }) }, model);
      const run = { checkpoint, data, ...readingOf(request), settings, name };
      const create = (path: string): Promise<unknown> => createRun(path, run);
      if (out !== undefined) await create(out);
      const dir = out ?? (await home.createRunFolder(name, create));
      await home.rememberRun(dir);
      const created = onCreated?.(dir, { ...request, checkpoint, data }).catch(() => undefined);
      engines.launch(dir, created ?? Promise.resolve());
      return summarizeRun(dir);
    },

    async resume({ id, tokens, rewarmSteps, memoryOverrides, launch }) {
      const run = await summarizeStopped(id);
      const { state, steps } = run;
      const name = basename(run.dir);
      const { settings, stages } = applyMemoryOverrides(run, memoryOverrides ?? {});
      const stage = stageOf({ ...run, settings }, run.stageStarts);
      const savedStep = run.savedStep ?? 0;
      const done = tokensAt(stage, savedStep);
      const isFinished = state === 'finished';
      if (tokens === undefined) {
        if (isFinished) refuse('run/finished', { run: name, steps });
        return resumeWith(run, memoryOverrides && settings, launch, stages);
      }
      if (tokens <= done) refuse('run/fewer-tokens', { run: name, asked: tokens, done });
      const rewarm = rewarmSteps ?? (isFinished ? settings.rewarmSteps : 0);
      return resumeWith(run, extendInStage(stage, savedStep, tokens, rewarm), launch, stages);
    },

    async decay({ id, steps }) {
      const run = await summarizeStopped(id);
      const name = basename(run.dir);
      if (run.state === 'finished') refuse('run/finished', { run: name, steps: run.steps });
      if (isDecaying(run.settings)) refuse('run/decaying', { run: name, steps: run.steps });
      if (!isActive(run)) {
        const stage = stageOf(run, run.stageStarts);
        return resumeWith(run, decayInStage(stage, run.savedStep ?? 0, steps));
      }
      await requestDecay(run.dir, steps);
      return summarizeRun(run.dir);
    },

    async grow(id) {
      const run = await summarizeStopped(id);
      const stage = stageOf(run, run.stageStarts);
      const name = basename(run.dir);
      if (run.state === 'finished') refuse('run/finished', { run: name, steps: run.steps });
      if (!stage.next) refuse('run/no-next-stage', { run: name });
      await requestGrowth(run.dir, stage.index + 1);
      return isActive(run) ? summarizeRun(run.dir) : resumeWith(run);
    },

    async stop(id) {
      const dir = await findRunFolder(home, id);
      const run = await summarizeRun(dir);
      if (!isActive(run)) refuse('run/not-running', { run: basename(dir), state: run.state });
      await requestStop(dir);
      await engines.waitUntilStopped(dir);
      return summarizeRun(dir);
    },

    async list() {
      const dirs = await home.listRuns();
      const runs = await Promise.all(dirs.map((dir) => summarizeRun(dir).catch(() => undefined)));
      return runs.filter((run) => run !== undefined);
    },

    summarize: async (id) => summarizeRun(await findRunFolder(home, id)),
    countRunning: engines.count,
    stopAll: engines.stopAll,
  };
}

/** The sampling weights, the text field, the engine and the stages, if they are given. */
const readingOf = ({
  weights,
  field,
  launch,
  stages,
}: TrainingRequest): Pick<RunSettings, 'weights' | 'field' | 'launch' | 'stages'> => ({
  ...(weights ? { weights } : {}),
  ...(field === undefined ? {} : { field }),
  ...(launch ? { launch } : {}),
  ...(stages ? { stages } : {}),
});

/** Refuses stages that cannot be trained. */
function checkStages(
  source: CheckpointSummary,
  { settings, launch }: TrainingRequest,
  stages: readonly RunStage[],
): void {
  if (launch)
    refuse('run/bad-setting', {
      setting: 'the engine',
      why: 'must be cambium for a run that grows while it trains',
    });
  planRunStages(source, { settings, stages });
}

const sequencesPerUpdate = (s: TrainingSettings): number => s.microBatch * s.gradAccum;

/**
 * The settings and stages of a run with overrides that save memory. What a stage sets itself is changed there. After
 * the first save the context length and the sequences per update cannot change, because the position in the data is
 * counted in updates.
 */
function applyMemoryOverrides(
  run: RunSummary,
  overrides: NonNullable<ResumeRequest['memoryOverrides']>,
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

export interface FollowRequest {
  readonly id: string;
  /** The first line of events.jsonl that is sent, and its offset in bytes if it is known. */
  readonly from: number;
  readonly offset?: number | undefined;
}

/** The events of a run from line `from` on, then live ones until it stops. */
export function followRun(
  home: Home,
  { id, from, offset }: FollowRequest,
  signal?: AbortSignalLike,
): AsyncIterable<RunEvent> {
  const controller = createLinkedController(signal);
  const events = createQueue<RunEvent>(() => {
    controller.abort();
  });
  const read = async (): Promise<void> => {
    const dir = await findRunFolder(home, id);
    for await (const event of followEvents(dir, from, { signal: controller.signal, offset }))
      events.push(event);
  };
  void read().then(events.end, events.fail);
  return events;
}
