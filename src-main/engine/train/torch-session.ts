/**
 * @file A session of a run that PyTorch trains: reads the text, writes the work folder, starts the trainer of
 * resources/distributed, and passes its events on. It measures usage and budgets itself.
 */
import { join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import { resolveCheckpointing } from '../../graph/passes/activation-checkpointing.ts';
import {
  followJob,
  makeWorkFolder,
  newestShardedStep,
  readUnread,
  rememberPosition,
} from '../../launch/follow.ts';
import type { Job } from '../../launch/job.ts';
import { findTorchPython, findTrainer, type PythonReport } from '../../launch/python.ts';
import { findSlurmJob, scriptFile, submitSlurmJob } from '../../launch/slurm/job.ts';
import { endFormerTrainer, startTorchrun } from '../../launch/torchrun.ts';
import { describeWork } from '../../launch/work/work-folder.ts';
import { writeWork } from '../../launch/work/write-work.ts';
import { openCheckpoint } from '../../store/checkpoint/checkpoint.ts';
import { modelFolder } from '../../store/checkpoint/moments.ts';
import type { EventReader } from '../../store/run/events.ts';
import { newestStep, type RunSession } from '../../store/run/runs.ts';
import type { LaunchSettings } from '../../train/launch.ts';
import type { RunEvent, RunSettings } from '../../train/run.ts';
import { decayFrom, isDecaying, stepsOf } from '../../train/schedule.ts';
import type { TrainingSettings } from '../../train/settings.ts';
import { readStaticText } from './open-text.ts';
import { checkContextLength } from '../../train/run-text.ts';

/** The work folder in the folder of a run. */
const workFolder = (dir: string): string => join(dir, 'torch');

/** The step from which PyTorch continues a run. */
export const newestTorchStep = async (dir: string): Promise<number> =>
  Math.max((await newestStep(dir))?.step ?? 0, await newestShardedStep(workFolder(dir)));

/** Throws `torch/only-sharded` if the newest checkpoint of a run is one that only PyTorch reads. */
export async function checkNoNewerShards(dir: string): Promise<void> {
  const sharded = await newestShardedStep(workFolder(dir));
  const consolidated = (await newestStep(dir))?.step ?? 0;
  if (sharded > consolidated) refuse('torch/only-sharded', { sharded, consolidated });
}

export interface TorchRun extends RunSettings {
  readonly launch: LaunchSettings;
}

/** Trains a run until it is finished, is asked to stop, or fails. A job of Slurm that still runs is followed. */
export async function* torchSession(
  dir: string,
  run: TorchRun,
  session: RunSession,
  signal: AbortSignalLike,
): AsyncGenerator<RunEvent> {
  const work = workFolder(dir);
  const step = await newestTorchStep(dir);
  await session.setState('preparing');
  await makeWorkFolder(work);
  await endFormerTrainer(work);
  const { events, afterCheckpoint, lines, reader } = await readUnread(work, step);
  const running = await findSlurmJob(work);
  for (const event of running ? events : events.slice(0, afterCheckpoint)) if (event) yield event;
  const shouldStop = (): boolean => signal.aborted || session.isStopRequested();
  if (running) {
    await rememberPosition(work, lines);
    await session.setState('running');
    yield* followRun(work, run, running, session, shouldStop, reader);
    return;
  }
  const job = yield* startJob(dir, work, run, signal, shouldStop);
  yield* followRun(work, run, job, session, shouldStop);
}

/** Passes the events of a job on, and keeps the settings of the run as the trainer changed them. */
async function* followRun(
  work: string,
  { settings }: TorchRun,
  job: Job,
  session: RunSession,
  shouldStop: () => boolean,
  reader?: EventReader,
): AsyncGenerator<RunEvent> {
  let current = settings;
  const requests = { isStopRequested: shouldStop, decayRequest: () => session.decayRequest() };
  for await (const event of followJob(work, job, requests, reader)) {
    if (event.type === 'started') await session.setState('running');
    if (event.type === 'rescheduled') {
      current = rescheduled(current, event.step, event.steps);
      await session.reschedule(current);
    }
    yield event;
  }
}

/** Reads the text, writes the work folder, and starts the trainer or queues it. */
async function* startJob(
  dir: string,
  work: string,
  run: TorchRun,
  signal: AbortSignalLike,
  shouldStop: () => boolean,
): AsyncGenerator<RunEvent, Job> {
  const { settings } = run;
  const newest = await newestStep(dir);
  const steps = stepsOf(settings);
  if (newest && newest.step >= steps) refuse('run/finished', { run: run.name, steps });
  const base = await openCheckpoint(newest ? join(newest.dir, modelFolder) : run.checkpoint);
  checkContextLength(base, settings);
  yield { type: 'preparing', what: 'looking for PyTorch', done: 0, of: 1 };
  const python = await findTorchPython();
  const launch = { ...run.launch, processes: countProcesses(run, python) };
  const text = yield* readStaticText({ dir, run, base, signal, shouldStop, hubToken: null });
  if (text.streams.length > 0)
    refuse('torch/unsupported', { what: 'datasets that are streamed from the Hub' });
  const { contextLength, activationCheckpointing } = settings;
  const checkpointing = resolveCheckpointing(activationCheckpointing, contextLength);
  await writeWork(
    work,
    await describeWork({
      run,
      launch,
      base,
      hasStep: newest !== null,
      checkpoints: '../checkpoints',
      tokenFolders: text.folders,
      parts: text.parts,
      trainer: findTrainer(),
      activationCheckpointing: checkpointing === 'off' ? 'off' : 'full',
    }),
  );
  const { slurm, processes } = launch;
  if (!slurm) return startTorchrun({ python: python.command, work, processes });
  yield { type: 'preparing', what: `queueing ${join(work, scriptFile)}`, done: 0, of: 1 };
  const isCpu = settings.device === 'cpu';
  return submitSlurmJob({ launch: { ...launch, slurm }, work, python: python.command, isCpu });
}

/** The settings after a request to decay: the trainer reports at which step it ends. */
const rescheduled = (settings: TrainingSettings, step: number, end: number): TrainingSettings =>
  isDecaying(settings) ? settings : decayFrom(settings, step, end - step);

/** The processes of a run: as many as were asked for, or one for each GPU. Throws `torch/no-gpus`. */
function countProcesses({ launch, settings: { device } }: TorchRun, { command, gpus }: PythonReport): number {
  const { processes, slurm } = launch;
  if (slurm) return processes > 0 ? processes : refuse('slurm/processes', { nodes: slurm.nodes });
  const found = gpus.length;
  if (device === 'cpu') return Math.max(1, processes);
  if (device === 'auto' && found === 0) return Math.max(1, processes);
  if (found < Math.max(1, processes))
    refuse('torch/no-gpus', { python: command, wanted: Math.max(1, processes), found });
  return processes === 0 ? found : processes;
}
