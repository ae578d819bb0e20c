/** @file Training runs. The folder of a run is its state; while it trains it has its own engine. */
import { basename } from 'node:path';
import { refuse } from '../base/errors.ts';
import type { DeviceKind } from '../base/device.ts';
import { createQueue } from '../base/queue.ts';
import type { AbortSignalLike } from '../base/signals.ts';
import { activeStates } from '../contract/activity.ts';
import type { StoredHubToken } from '../contract/engine.ts';
import type {
  CheckpointSummary,
  DecayRequest,
  ResumeRequest,
  RunSummary,
  RunEvent,
  StopRequest,
  TrainingRequest,
} from '../contract/schema.ts';
import { planRunStages } from '../contract/stages.ts';
import { openCheckpoint } from '../store/checkpoint/checkpoint.ts';
import { exists } from '../store/fs/files.ts';
import { isDatasetName } from '../base/dataset-name.ts';
import { defaultTextField } from '../store/data/documents.ts';
import { findDataFiles } from '../store/data/dataset-files.ts';
import { followEvents } from '../store/run/events.ts';
import {
  claimRun,
  createRun,
  isRun,
  readRun,
  requestDecay,
  requestStop,
  summarizeRun,
  type RunChanges,
} from '../store/run/runs.ts';
import { requestGrowth } from '../store/run/stage-files.ts';
import { createLinkedController } from '../store/fs/signals.ts';
import type { Home } from '../store/home/home.ts';
import type { WaitingRun } from '../store/home/run-queue.ts';
import type { RunSettings } from '../train/run.ts';
import type { QueuePosition } from '../train/run.ts';
import { isDecaying } from '../train/schedule.ts';
import { decayInStage, stageOf, type RunStage } from '../train/stages.ts';
import { createQueueStarter } from './queue-starter.ts';
import { needsAllGpus, type DeviceDemand, type RunQueue } from './run-queue.ts';
import { toAbsolutePath, type Dependencies } from './dependencies.ts';
import { planResume } from './resume.ts';
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
  /**
   * Requests the run to stop and save, and waits until it has. With `now`, its engine is ended although it does not
   * answer, whichever program of this computer started it: the steps since the last save are lost.
   */
  stop(request: StopRequest): Promise<RunSummary>;
  list(): Promise<readonly RunSummary[]>;
  summarize(id: string): Promise<RunSummary>;
  /** The number of runs with an engine of this process, and of those that it is going to start. */
  countRunning(): number;
  /** Starts waiting runs from now on. One process of a computer should: the server, or the desktop app. */
  startQueue(): void;
  /** Stops and saves every run of this process. */
  stopAll(): Promise<void>;
}

export interface RunsOptions {
  /** Engines keep running when this process ends. */
  readonly detached?: boolean;
  /** Throws for a request whose run could not end. Called before the folder of the run exists. */
  readonly check?: RunCheck;
  /** Refuses a dataset of the Hub that a run could not read. */
  readonly checkDataset?: (name: string, column: string) => Promise<void>;
  /** The token for the Hub that the service keeps. */
  readonly findHubToken?: () => Promise<StoredHubToken | null>;
  /** Starts a bake-off or a tuning that waits, whose own job is gone. */
  readonly startOther?: (waiting: WaitingRun) => Promise<unknown>;
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
  queue: RunQueue,
  { detached = false, check, onCreated, checkDataset, findHubToken, startOther }: RunsOptions = {},
): Runs {
  const engines = createRunEngines(processes, detached, queue.takeGpu, findHubToken);

  /** The summary of a run with its place in the queue. */
  const withPosition = (run: RunSummary, positions: ReadonlyMap<string, QueuePosition>): RunSummary => {
    const position = positions.get(run.dir);
    return position && !isActive(run) ? { ...run, state: 'waiting', queue: position } : run;
  };
  const summarize = async (dir: string): Promise<RunSummary> =>
    withPosition(await summarizeRun(dir), await queue.positions());

  /** The summary of a run; if its engine is exiting, the summary after that. */
  const summarizeStopped = async (id: string): Promise<RunSummary> => {
    const dir = await findRunFolder(home, id);
    if (engines.isExiting(dir)) await engines.waitUntilStopped(dir);
    return summarizeRun(dir);
  };

  /** Claims the run, changes it, and trains it. */
  const resumeWith = async (run: RunSummary, changes?: RunChanges): Promise<RunSummary> => {
    const { dir } = run;
    if (isActive(run) || engines.has(dir)) refuse('run/already-running', { run: basename(dir) });
    const claimed = claimRun(dir, changes);
    // Registers the engine before anything is awaited: two resumes at once must not start two engines.
    engines.launch(dir, claimed);
    await claimed;
    await queue.remove(dir);
    await home.rememberRun(dir);
    return summarize(dir);
  };

  /** True if nothing trains or waits on the device. Call it in `queue.exclusively`. */
  const isFree = async (device: DeviceKind, demand: DeviceDemand): Promise<boolean> => {
    const { waiting, held } = await queue.read();
    if (held.includes(device) || waiting.some((run) => run.device === device)) return false;
    return !(await queue.busyDevices({ needsAll: needsAllGpus(demand) })).has(device);
  };

  /** Creates the folder of a run. */
  const create = async (
    { out, name, ...run }: NewRun,
    options: { readonly isWaiting: boolean },
  ): Promise<string> => {
    const createIn = (path: string): Promise<unknown> => createRun(path, { ...run, name }, options);
    if (out !== undefined) await createIn(out);
    const dir = out ?? (await home.createRunFolder(name, createIn));
    await home.rememberRun(dir);
    return dir;
  };

  const launchNew = (dir: string, request: TrainingRequest): Promise<RunSummary> => {
    const created = onCreated?.(dir, request).catch(() => undefined);
    engines.launch(dir, created ?? Promise.resolve());
    return summarize(dir);
  };

  const starter = createQueueStarter(queue, async (waiting) => {
    const { kind, dir, resume = {} } = waiting;
    if (kind) {
      await startOther?.(waiting);
      await queue.remove(dir);
      return undefined;
    }
    const run = await summarizeStopped(dir);
    return resumeWith(run, await planResume(run, resume));
  });

  /** Puts the runs that train now before those that wait for their device, so that they continue at the next start. */
  const requeueRunning = async (): Promise<void> => {
    const { waiting } = await queue.read();
    for (const dir of engines.running()) {
      const device = await queue.deviceOf(await readRun(dir));
      const isAwaited = device !== null && waiting.some((run) => run.device === device);
      if (isAwaited && !engines.isExiting(dir)) await queue.add({ dir, device }, 'first');
    }
  };

  return {
    async start(request) {
      const checkpoint = toAbsolutePath(request.checkpoint);
      const data = request.data.map(toAbsolutePath);
      const model = await openCheckpoint(checkpoint);
      const { summary } = model;
      const validation = request.validation?.map(toAbsolutePath);
      for (const path of [...data, ...(validation ?? [])])
        if (isDatasetName(path)) await checkDataset?.(path, request.field ?? defaultTextField);
        else await findDataFiles(path);
      const out = request.out === undefined ? undefined : toAbsolutePath(request.out);
      const name = request.name?.trim() || (out === undefined ? summary.name : basename(out));
      const { settings, stages } = request;
      if (stages) checkStages(summary, request, stages);
      await check?.({ ...request, checkpoint, data, ...(out === undefined ? {} : { out }) }, model);
      const texts = { data, ...(validation ? { validation } : {}) };
      const run = { out, checkpoint, ...readingOf(request), ...texts, settings, name };
      const full = { ...request, checkpoint, ...texts };
      const device = request.queue && (await queue.deviceOf(request));
      if (!device) return launchNew(await create(run, { isWaiting: false }), full);
      return queue.exclusively(async () => {
        const isWaiting = !(await isFree(device, request));
        const dir = await create(run, { isWaiting });
        if (!isWaiting) return launchNew(dir, full);
        await onCreated?.(dir, full).catch(() => undefined);
        await queue.add({ dir, device }, request.queue!);
        return summarize(dir);
      });
    },

    async resume({ id, queue: place, ...changes }) {
      const run = await summarizeStopped(id);
      const planned = await planResume(run, changes);
      const demand = { ...(await readRun(run.dir)), ...planned };
      const device = place && (await queue.deviceOf(demand));
      if (!device) return resumeWith(run, planned);
      if (isActive(run)) refuse('run/already-running', { run: basename(run.dir) });
      return queue.exclusively(async () => {
        if (await isFree(device, demand)) return resumeWith(run, planned);
        await queue.add({ dir: run.dir, device, resume: changes }, place);
        return summarize(run.dir);
      });
    },

    async decay({ id, steps }) {
      const run = await summarizeStopped(id);
      const name = basename(run.dir);
      if (run.state === 'finished') refuse('run/finished', { run: name, steps: run.steps });
      if (isDecaying(run.settings)) refuse('run/decaying', { run: name, steps: run.steps });
      if (!isActive(run)) {
        const stage = stageOf(run, run.stageStarts);
        return resumeWith(run, { settings: decayInStage(stage, run.savedStep ?? 0, steps) });
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

    async stop({ id, now = false }) {
      const dir = await findRunFolder(home, id);
      if (await queue.remove(dir)) return summarize(dir);
      const run = await summarizeRun(dir);
      if (!isActive(run)) refuse('run/not-running', { run: basename(dir), state: run.state });
      await requestStop(dir, { now });
      if (now) await engines.endNow(dir);
      await engines.waitUntilStopped(dir);
      return summarizeRun(dir);
    },

    async list() {
      const [dirs, positions] = await Promise.all([home.listRuns(), queue.positions()]);
      const runs = await Promise.all(dirs.map((dir) => summarizeRun(dir).catch(() => undefined)));
      return runs.flatMap((run) => (run ? [withPosition(run, positions)] : []));
    },

    summarize: async (id) => summarize(await findRunFolder(home, id)),
    countRunning: () => engines.running().length + starter.countStartable(),
    startQueue: starter.start,
    async stopAll() {
      if (starter.isStarted()) {
        await starter.stop();
        await requeueRunning().catch(() => undefined);
      }
      await engines.stopAll();
    },
  };
}

/** settings.json of a run that is created in `out`, or in a new folder of the home. */
type NewRun = Omit<RunSettings, 'version' | 'created'> & { readonly out: string | undefined };

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
