/** @file One task of a bake-off: grows its candidate if needed, trains its probe to a length, and measures it. */
import { dirname, join } from 'node:path';
import { AppError, createError, refuse } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import {
  candidateFolder,
  findCandidate,
  probeFolder,
  probeSettings,
  type StoredBakeoff,
} from '../../bakeoff/state.ts';
import type { Measurement, Task } from '../../bakeoff/tournament.ts';
import type { RunEvent } from '../../contract/schema.ts';
import type { WindowLosses } from '../../contract/engine.ts';
import { exists, makeFolder } from '../../store/fs/files.ts';
import { claimRun, createRun, isRun, newestStep, requestStop, summarizeRun } from '../../store/run/runs.ts';
import { tokensPerStep } from '../../train/schedule.ts';
import { extendInStage, stageOf } from '../../train/stages.ts';
import type { Costs } from '../cost.ts';
import type { Dependencies } from '../dependencies.ts';
import { withEngine } from '../engines.ts';
import { createPlan, relay, removePartialsOnError } from '../growth.ts';

/** Most held-out windows that probes are compared on, and the fewest. */
const mostWindows = 512;
const fewestWindows = 8;

export interface ProbeContext extends Pick<Dependencies, 'processes'> {
  readonly costs: Pick<Costs, 'recordEstimate'>;
  /** The folder of the bake-off. */
  readonly dir: string;
  readonly bakeoff: StoredBakeoff;
  readonly signal: AbortSignalLike;
  readonly onGrowing: (candidate: string, done: number, of: number) => void;
  readonly onStep: (task: Task, tokens: number, loss: number) => void;
}

export interface Measured {
  readonly measurement: Measurement;
  /** Absent if the probe diverged. */
  readonly textHash?: string;
}

/** Does a task. What an earlier attempt has done already is not repeated. Throws `cancelled` after saving. */
export async function runTask(context: ProbeContext, task: Task): Promise<Measured> {
  const { dir, bakeoff, processes } = context;
  const checkpoint = await ensureCheckpoint(context, task.candidate);
  const run = join(dir, probeFolder(task));
  const isTrained = await prepareRun(context, task, run, checkpoint);
  const outcome = await withEngine(processes, { log: join(run, 'log.txt') }, async (engine) => {
    if (!isTrained && !(await train(context, task, run, engine.train({ run })))) return 'diverged';
    return engine.windowLosses({ run, windows: mostWindows }, context.signal);
  });
  if (outcome === 'diverged' || !outcome.losses.every(Number.isFinite))
    return { measurement: { ...task, losses: null } };
  checkWindows(bakeoff, dir, outcome);
  return { measurement: { ...task, losses: [...outcome.losses] }, textHash: outcome.textHash };
}

/** The folder of the checkpoint that a candidate is trained from; grows it if it is not there. */
async function ensureCheckpoint({ dir, bakeoff, ...context }: ProbeContext, id: string): Promise<string> {
  const folder = candidateFolder(bakeoff, id);
  if (folder === null) return bakeoff.source;
  const out = join(dir, folder);
  if (await exists(out)) return out;
  await makeFolder(dirname(out), { isPrivate: true });
  const { requests } = findCandidate(bakeoff, id);
  const plan = await createPlan(bakeoff.source, requests);
  const { device } = bakeoff.settings;
  const job = { source: bakeoff.source, out, plan, device };
  await removePartialsOnError(out, () =>
    withEngine(context.processes, {}, (engine) =>
      relay(engine.grow(job, context.signal), (event) => {
        if (event.type === 'tensor') context.onGrowing(id, event.bytes, event.ofBytes);
      }),
    ),
  );
  return out;
}

/** Creates the run of a task, or extends it to the task's length. Returns true if it is that long already. */
async function prepareRun(
  { bakeoff, costs }: ProbeContext,
  task: Task,
  run: string,
  checkpoint: string,
): Promise<boolean> {
  const { data, weights, field } = bakeoff;
  const settings = probeSettings(bakeoff, task, task.tokens);
  if (!(await isRun(run))) {
    const reading = { ...(weights ? { weights } : {}), ...(field === undefined ? {} : { field }) };
    const name = `${findCandidate(bakeoff, task.candidate).title}, learning rate ${task.lr}, seed ${task.seed}`;
    await createRun(run, { name, checkpoint, data, ...reading, settings });
    // A bake-off without estimates of its runs is better than none.
    await costs.recordEstimate(run, { checkpoint, data, ...reading, settings }).catch(() => undefined);
    return false;
  }
  const saved = (await newestStep(run))?.step ?? 0;
  const steps = task.tokens / tokensPerStep(settings);
  if (saved > steps)
    refuse('bakeoff/damaged', {
      path: run,
      why: `this run was trained to step ${saved}, past step ${steps} where it has not been measured yet`,
    });
  if (saved === steps) return true;
  const summary = await summarizeRun(run);
  const isLonger = summary.settings.tokens < task.tokens;
  const extended = isLonger && { settings: extendInStage(stageOf(summary), saved, task.tokens, 0) };
  await claimRun(run, extended || {});
  return false;
}

/** Follows the training of a run. Returns false if it diverged; throws its error, or `cancelled` if it was stopped. */
async function train(
  { signal, onStep }: ProbeContext,
  task: Task,
  run: string,
  events: AsyncIterable<RunEvent>,
): Promise<boolean> {
  // The run saves before it ends, so that it continues exactly there.
  const stop = (): void => {
    void requestStop(run).catch(() => undefined);
  };
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  let last: RunEvent | undefined;
  try {
    for await (const event of events) {
      last = event;
      if (event.type === 'step') onStep(task, event.tokens, event.loss);
    }
  } finally {
    signal.removeEventListener('abort', stop);
  }
  if (last?.type !== 'stopped')
    return refuse('engine/crashed', { how: 'the run ended without its last event', lines: '' });
  if (last.reason === 'finished') return true;
  if (last.error?.code === 'run/not-finite') return false;
  throw last.error
    ? new AppError(last.error.code, last.error.detail)
    : createError('cancelled', { what: 'The bake-off' });
}

/** Refuses too few windows, and a text that is not the one of the first measurement. */
function checkWindows({ textHash }: StoredBakeoff, dir: string, measured: WindowLosses): void {
  const windows = measured.losses.length;
  if (windows < fewestWindows) refuse('bakeoff/few-windows', { windows, needed: fewestWindows });
  if (textHash !== undefined && textHash !== measured.textHash) refuse('bakeoff/other-text', { path: dir });
}
