/**
 * @file A training session of a run: locks the folder, reads the text, opens the device, loads the state.
 * run-loop.ts runs the steps. Every event is in the run's file before it is sent.
 */
import { join } from 'node:path';
import { toErrorData, refuse } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import type { RunEvent } from '../../contract/schema.ts';
import { countParameters } from '../../model/parameters.ts';
import { openCheckpoint, type Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { modelFolder } from '../../store/checkpoint/moments.ts';
import { openTokens } from '../../store/data/tokenize.ts';
import { newestStep, openSession, readRun, type RunSession } from '../../store/run/runs.ts';
import { trainTokensIn } from '../../train/batches.ts';
import type { RunSettings } from '../../train/run.ts';
import { stepsOf } from '../../train/schedule.ts';
import { resolveSettings } from '../../cost/checkpointing.ts';
import { subjectOf } from '../../cost/programs.ts';
import { chooseDevice } from '../device/choose.ts';
import { loadGrownMoments } from '../grow/optimizer-moments.ts';
import type { TrainInput } from '../inputs.ts';
import {
  checkpointWeights,
  readFactors,
  loadModel,
  randomWeights,
  retypeCheckpoint,
  type LoadedModel,
  type LoadOptions,
  type WeightSource,
} from '../model/weights.ts';
import { findAdapter } from '../ort/adapters.ts';
import type { Device } from '../ort/device.ts';
import { addMemoryAdvice } from './advice.ts';
import { openMeter, type Meter } from './meter.ts';
import { runSegment, type Rollback, type TrainingSession } from './run-loop.ts';
import { loadNewest } from './step-checkpoint.ts';
import type { StepRecord } from '../../store/run/step-record.ts';
import { checkContextLength, textParts, tokenizeText } from './training-text.ts';
import { Training, type ResolvedSettings } from './training.ts';

/**
 * Trains a run from its newest complete checkpoint, or from its start, until it is finished, is asked to stop,
 * or fails.
 */
export async function* train({ run: dir }: TrainInput, signal: AbortSignalLike): AsyncGenerator<RunEvent> {
  const run = await readRun(dir);
  const newest = await newestStep(dir);
  const session = await openSession(dir, { after: newest?.step ?? 0 });
  let step = newest?.step ?? 0;
  let hasFailed = false;
  let meter: Meter | undefined;
  try {
    meter = await openMeter(dir, run.settings);
    for await (const event of runSession(dir, run, session, signal, meter))
      for (const reported of await meter.take(event)) {
        if ('step' in reported) step = reported.step;
        await session.append(reported);
        if (reported.type === 'saved') await session.sync();
        yield reported;
      }
  } catch (error) {
    hasFailed = true;
    const event = await stoppedEvent(error, run, step);
    const events = (await meter?.take(event).catch(() => [event])) ?? [event];
    for (const last of events) {
      // On a full disk the last line cannot be written; the caller still gets the event.
      await session.append(last).catch(() => undefined);
      yield last;
    }
  } finally {
    meter?.close();
    await session.close().catch((error: unknown) => {
      if (!hasFailed) throw error;
    });
  }
}

async function stoppedEvent(error: unknown, run: RunSettings, step: number): Promise<RunEvent> {
  const data = await addMemoryAdvice(toErrorData(error), run);
  const time = new Date().toISOString();
  if (data.code === 'cancelled') return { type: 'stopped', step, reason: 'requested', time };
  return { type: 'stopped', step, reason: 'failed', error: data, time };
}

/** Everything between opening the run's folder and closing it. */
async function* runSession(
  dir: string,
  run: RunSettings,
  session: RunSession,
  signal: AbortSignalLike,
  meter: Meter,
): AsyncGenerator<RunEvent> {
  const { settings } = run;
  const newest = await newestStep(dir);
  const steps = stepsOf(settings);
  if (newest && newest.step >= steps) refuse('run/finished', { run: run.name, steps });
  const opened = await openCheckpoint(newest ? join(newest.dir, modelFolder) : run.checkpoint);
  // Training and its checkpoints are float32.
  const { checkpoint, weights } = retypeCheckpoint(opened, 'float32');
  // Random weights were not made by the growth of the checkpoint, so what is saved must not have its record.
  const base = settings.init === 'random' ? { ...checkpoint, growth: null } : checkpoint;
  checkContextLength(base, settings);
  const shouldStop = (): boolean => signal.aborted || session.isStopRequested() || meter.isBudgetSpent();
  await session.setState('preparing');
  const tokenized = yield* tokenizeText(run, base, signal, shouldStop);
  const tokens = await openTokens(tokenized.folders);
  const parts = textParts(run, tokenized);
  try {
    const device = await chooseDevice(settings.device, settings.threads, { tf32: settings.tf32 === 'on' });
    try {
      const { joules } = meter;
      yield* trainSegments({ dir, run, base, tokens, parts, device, session, shouldStop, joules }, weights);
    } finally {
      await device.dispose();
    }
  } finally {
    tokens.close();
  }
}

type SessionWithoutClock = Omit<TrainingSession, 'deviceSeconds'>;

/**
 * Runs segments until one ends without a rollback. A rollback loads the newest checkpoint and continues; too
 * many in a row throw `run/not-finite`.
 */
async function* trainSegments(session: SessionWithoutClock, weights: WeightSource): AsyncGenerator<RunEvent> {
  const { base, device, run } = session;
  const { settings } = run;
  const startedAt = performance.now();
  const capacity = findAdapter(device.kind).memory;
  const resolved = resolveSettings(subjectOf(base), settings, device.kind, capacity);
  const teacher = settings.distillWeight > 0 ? await loadSource(device, base, run) : undefined;
  let rollback: Rollback | undefined;
  let earlierSeconds: number | undefined;
  try {
    do {
      const state = await loadState(session, weights);
      const { loaded, record, momentUpdates } = state;
      try {
        const training = await Training.open(device, loaded, resolved, teacher, record?.lossScale);
        try {
          if (rollback) yield rolledBackEvent(record, rollback);
          else yield await startedEvent(session, state, resolved);
          earlierSeconds ??= record?.deviceSeconds ?? 0;
          const before = earlierSeconds;
          const deviceSeconds = (): number => before + (performance.now() - startedAt) / 1000;
          const segment = { loaded, training, record, rollback, momentUpdates };
          rollback = yield* runSegment({ ...session, deviceSeconds }, segment);
        } finally {
          await training.dispose();
        }
      } finally {
        loaded.dispose();
      }
      if (rollback && rollback.count > settings.maxRollbacks) {
        const what = Number.isFinite(rollback.report.loss) ? 'gradient norm' : 'loss';
        refuse('run/not-finite', { step: rollback.from, what });
      }
    } while (rollback);
  } finally {
    teacher?.dispose();
  }
}

interface LoadedState {
  readonly loaded: LoadedModel;
  /** Undefined at the start of the run. */
  readonly record: StepRecord | undefined;
  /** Updates that grown moments come from. */
  readonly momentUpdates: number;
}

/** Loads the newest checkpoint of the run, or its initial weights. */
async function loadState(session: SessionWithoutClock, weights: WeightSource): Promise<LoadedState> {
  const { dir, run, base, parts, device } = session;
  const { settings, name } = run;
  const isFromCheckpoint = settings.init === 'checkpoint';
  const usesFactors = settings.perTensorLr === 'on' && isFromCheckpoint;
  const options: LoadOptions & { readonly emaDecay: number } = {
    optimizer: settings.optimizer,
    emaDecay: settings.emaDecay,
    ...(usesFactors ? { factors: readFactors(base) } : {}),
  };
  const resumed = await loadNewest(device, dir, options);
  if (!resumed) {
    const initial = isFromCheckpoint ? weights : randomWeights(base, settings.seed);
    const loaded = await loadModel(device, base, initial, options);
    try {
      const momentUpdates = isFromCheckpoint ? await loadGrownMoments(device, base, loaded) : 0;
      return { loaded, record: undefined, momentUpdates };
    } catch (error) {
      loaded.dispose();
      throw error;
    }
  }
  const trainTokens = trainTokensIn(parts);
  if (resumed.record.trainTokens !== trainTokens) {
    resumed.loaded.dispose();
    const before = resumed.record.trainTokens;
    const why = `it was trained on ${before} tokens of text, but the text gives ${trainTokens} now`;
    refuse('run/damaged', { run: name, why });
  }
  return { ...resumed, momentUpdates: 0 };
}

const rolledBackEvent = (record: StepRecord | undefined, { from }: Rollback): RunEvent => ({
  type: 'rolled-back',
  step: record?.step ?? 0,
  from,
  time: new Date().toISOString(),
});

async function startedEvent(
  { run, base, parts, device, session }: SessionWithoutClock,
  { record, momentUpdates }: LoadedState,
  { activationCheckpointing }: ResolvedSettings,
): Promise<RunEvent> {
  await session.setState('running');
  return {
    type: 'started',
    step: record?.step ?? 0,
    device: device.kind,
    deviceName: device.name,
    memory: findAdapter(device.kind).memory,
    parameters: countParameters(base.family, base.dims, base.settings),
    steps: stepsOf(run.settings),
    trainTokens: trainTokensIn(parts),
    heldOutTokens: parts.reduce((sum, part) => sum + part.heldOut, 0),
    activationCheckpointing,
    ...(momentUpdates > 0 ? { momentUpdates } : {}),
    time: new Date().toISOString(),
  };
}

/** The frozen model that a grown checkpoint came from. Throws `run/no-source`. */
async function loadSource(
  device: Device,
  base: Checkpoint,
  { checkpoint, settings }: RunSettings,
): Promise<LoadedModel> {
  const fail = (why: string): never => refuse('run/no-source', { checkpoint: base.dir, why });
  const open = (dir: string): Promise<Checkpoint> =>
    openCheckpoint(dir).catch((error: unknown) => fail((error as Error).message));
  const growth = settings.init === 'random' ? (await open(checkpoint)).growth : base.growth;
  if (!growth) return fail('it was not grown by Cambium');
  const source = await open(growth.source);
  if (source.dims['vocab']! > base.dims['vocab']!) return fail('its vocabulary is larger');
  return loadModel(device, source, checkpointWeights(source));
}
