/** @file The steps of a run: read a batch, update, report, evaluate, save. A stop takes effect between two steps. */
import { join } from 'node:path';
import type { LeftOut } from '../../base/left-out.ts';
import type { RunEvent } from '../../contract/schema.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { modelFolder } from '../../store/checkpoint/moments.ts';
import { openTokenizer } from '../../store/data/tokenizer.ts';
import type { Tokens } from '../../store/data/tokenize.ts';
import { savedLosses } from '../../store/run/checkpoints.ts';
import type { RunSession } from '../../store/run/runs.ts';
import { trainTokensIn, windowStarts, type BatchOrder, type TextPart } from '../../train/batches.ts';
import { distillWeightAt } from '../../train/distill.ts';
import type { RunSettings } from '../../train/run.ts';
import { isDecaying } from '../../train/schedule.ts';
import { addEvaluation, isPatienceSpent, type EarlyStopping } from '../../train/early-stopping.ts';
import { isAmongBest, retentionOf } from '../../train/retention.ts';
import type { TrainingSettings } from '../../train/settings.ts';
import {
  decayInStage,
  lastStepOf,
  learningRateAt,
  tokensAt,
  withRunSettings,
  type TrainingStage,
} from '../../train/stages.ts';
import { addStep, emptyHistory, limitsOf, type SpikeHistory } from '../../train/spikes.ts';
import { noLimit, type StepLimits } from '../../train/update.ts';
import type { Device } from '../ort/device.ts';
import type { LoadedModel } from '../model/weights.ts';
import { evaluateAverage, evaluateWeights, heldOutText, sample, type Measured } from './run-measures.ts';
import { openStageWatch } from './stage-watch.ts';
import { saveCheckpoint } from './step-checkpoint.ts';
import type { StepRecord } from '../../store/run/step-record.ts';
import type { ReadBatch, StepReport, Training } from './training.ts';

/** The text of a session. */
export interface SessionText {
  readonly tokens: Tokens;
  readonly parts: readonly TextPart[];
  /** Waits for what `count` micro-batches from `n` on read; false if the run was asked to stop first. */
  prepareText(n: number, count: number, order: BatchOrder): Promise<boolean>;
  countLeftOut(): Readonly<LeftOut>;
}

/** What stays the same from the first step of a session to its last. */
export interface TrainingSession extends SessionText {
  readonly dir: string;
  readonly run: RunSettings;
  readonly device: Device;
  readonly session: RunSession;
  shouldStop(): boolean;
  /** Seconds on the device, all sessions of the run together. */
  deviceSeconds(): number;
  /** Energy of all sessions of the run together; null if nothing measures it. */
  joules(): number | null;
}

/** What a segment of steps begins with: a run's start, a resume, a rollback, or a growth. */
export interface Segment {
  /** The checkpoint that the model was loaded from. */
  readonly base: Checkpoint;
  readonly stage: TrainingStage;
  readonly loaded: LoadedModel;
  readonly training: Training;
  /** Record of the checkpoint that the segment continues; undefined at the start of a run. */
  readonly record: StepRecord | undefined;
  /** The rollback that led to this segment. */
  readonly rollback: Rollback | undefined;
  /** Updates that moments from before this run come from. */
  readonly momentUpdates: number;
}

/** A return to the last checkpoint, after too many bad steps in a row. */
export interface Rollback {
  readonly type: 'rollback';
  readonly from: number;
  readonly report: StepReport;
  /** Where to continue in the text: behind the batches that went wrong. */
  readonly cursor: number;
  readonly seconds: number;
  readonly settings: TrainingSettings;
  /** Rollbacks in a row without a new checkpoint, this one included. */
  readonly count: number;
}

/**
 * Why a segment ends before the run does or stops. After the end of a stage, and when weights
 * are unfrozen, the newest checkpoint says so.
 */
export type SegmentEnd = Rollback | { readonly type: 'stage-end' } | { readonly type: 'unfreeze' };

/** How far a run is. */
interface Progress {
  readonly step: number;
  /** Updates' worth of batches read. Larger than `step` after a rollback. */
  readonly cursor: number;
  /** Steps that changed the weights. */
  readonly updates: number;
  readonly history: SpikeHistory;
  /** Seconds of training steps. */
  readonly seconds: number;
  /** Held-out loss at this step; null if it was not measured. */
  readonly heldOutLoss: number | null;
  readonly earlyStopping: EarlyStopping | undefined;
}

const startProgress = ({ record, rollback, momentUpdates }: Segment): Progress => ({
  step: record?.step ?? 0,
  cursor: rollback?.cursor ?? record?.cursor ?? 0,
  updates: record?.updates ?? momentUpdates,
  history: record?.history ?? emptyHistory,
  seconds: rollback?.seconds ?? record?.seconds ?? 0,
  heldOutLoss: record?.heldOutLoss ?? null,
  earlyStopping: record?.earlyStopping,
});

/** The progress after one more step. A step that only lowered the loss scale says nothing about spikes. */
const advance = (progress: Progress, report: StepReport, seconds: number): Progress => ({
  step: progress.step + 1,
  cursor: progress.cursor + 1,
  updates: progress.updates + (report.applied ? 1 : 0),
  history: report.rescaled ? progress.history : addStep(progress.history, report),
  seconds: progress.seconds + seconds,
  heldOutLoss: null,
  earlyStopping: progress.earlyStopping,
});

/** The progress after the held-out loss of its step was measured. */
const addHeldOutLoss = (progress: Progress, loss: number, settings: TrainingSettings): Progress => ({
  ...progress,
  heldOutLoss: loss,
  earlyStopping: addEvaluation(progress.earlyStopping, { step: progress.step, loss }, settings),
});

const timestamp = (): string => new Date().toISOString();

/**
 * Trains from the state in `segment` to the last step, to the end of its stage, or until a stop is requested. Returns
 * a rollback if the run has to go back to its last checkpoint.
 */
export async function* runSegment(
  context: TrainingSession,
  segment: Segment,
): AsyncGenerator<RunEvent, SegmentEnd | undefined> {
  const { tokens, parts, session, run } = context;
  const { base, training, record, rollback } = segment;
  let { stage } = segment;
  let runSettings = run.settings;
  let lastStep = lastStepOf(stage);
  let progress = startProgress(segment);
  let savedStep = progress.step;
  let rollbacks = rollback?.count ?? 0;
  const { settings } = stage;
  const measured = measuredOf(context, segment);
  const tokenizer = await openTokenizer(base.dir, base.dims['vocab']!);
  const saver = createSaver(context, segment, measured);
  const isRequested = (): boolean => session.isGrowthRequested(stage.index + 1);
  const watch = run.stages && (await openStageWatch(context.dir, stage, progress.step, isRequested));

  async function* save(change: StateChange = {}): AsyncGenerator<RunEvent> {
    yield* saver(progress, stage, change);
    savedStep = progress.step;
    rollbacks = 0;
  }

  /** Evaluates the weights, and notes their held-out loss. */
  async function* evaluate(): AsyncGenerator<RunEvent> {
    for await (const event of evaluateWeights(measured, settings, progress.step)) {
      if (event.type === 'evaluated') progress = addHeldOutLoss(progress, event.loss, settings);
      yield event;
    }
  }

  /** True if the weights are among the best, which are kept. */
  const isBest = async (): Promise<boolean> =>
    progress.heldOutLoss !== null &&
    isAmongBest(await savedLosses(context.dir), progress.heldOutLoss, settings.keepBest);

  /** Earlier stages end by their own conditions. */
  const isStoppedEarly = (): boolean => !stage.next && isPatienceSpent(progress.earlyStopping, settings);

  if (!record && !rollback) yield* evaluate();
  while (progress.step < lastStep && !isStoppedEarly() && !context.shouldStop()) {
    const decay = session.decayRequest();
    if (decay) {
      if (!isDecaying(runSettings)) {
        runSettings = decayInStage(stage, progress.step, decay.steps);
        stage = withRunSettings(stage, run, runSettings);
      }
      lastStep = lastStepOf(stage);
      await session.reschedule(runSettings);
      yield { type: 'rescheduled', step: progress.step, steps: lastStep, time: timestamp() };
    }
    const started = performance.now();
    const firstBatch = (progress.cursor - stage.start.cursor) * settings.gradAccum;
    if (!(await context.prepareText(firstBatch, settings.gradAccum, batchOrderOf(stage, parts)))) break;
    const step = progress.step + 1;
    const limits = limitsOf(progress.history, settings.spikeThreshold);
    const lr = learningRateAt(stage, step);
    const order = {
      update: progress.updates + 1,
      lateUpdate: progress.updates + 1 - (record?.unfrozenAt ?? 0),
      lr,
      limits,
      distill: distillWeightIn(stage, step, lastStep),
    };
    const report = await training.step(order, batchReader(stage, tokens, parts, progress.cursor));
    const seconds = (performance.now() - started) / 1000;
    progress = advance(progress, report, seconds);

    const isFinite = progress.history.nonFinite === 0;
    if (isFinite && !report.rescaled) {
      yield stepEvent(report, { step, lr, seconds, tokens: tokensAt(stage, step) });
      watch?.add(step, report.loss);
    }
    if (!report.applied) yield skippedEvent(report, limits, step);
    const isLast = step === lastStep;
    if (progress.history.nonFinite >= settings.rollbackAfter || (isLast && !isFinite)) {
      const { cursor, seconds: trained } = progress;
      const count = rollbacks + 1;
      return { type: 'rollback', from: step, report, cursor, seconds: trained, settings: runSettings, count };
    }
    const slope = watch?.measure(step);
    if (slope) yield slope;
    const isDue = (every: number): boolean => isLast || (every > 0 && step % every === 0);
    let end = isFinite && !isLast ? watch?.findEnd(step, slope) : undefined;
    if (end !== undefined || isDue(settings.evaluateEvery)) yield* evaluate();
    const { heldOutLoss } = progress;
    if (isFinite && !isLast && isLossReached(stage, heldOutLoss)) end ??= 'loss';
    if (isDue(settings.sampleEvery)) yield await sample(measured, tokenizer, settings, step);
    if (end !== undefined) {
      yield* save({ stageEnd: { reason: end, heldOutLoss } });
      return { type: 'stage-end' };
    }
    if (isFinite && !isLast && isUnfreezeDue(settings, step, record)) {
      yield* save({ unfrozenAt: progress.updates });
      return { type: 'unfreeze' };
    }
    if (isFinite && (isDue(settings.saveEvery) || isDue(settings.keepEvery) || (await isBest())))
      yield* save();
  }
  if (isStoppedEarly()) yield { type: 'early-stopped', step: progress.step, ...progress.earlyStopping! };
  // While steps are not finite, the last checkpoint is the good state.
  const canSave = progress.history.nonFinite === 0;
  if (canSave && (savedStep !== progress.step || progress.step === 0)) yield* save();
  const reason = progress.step >= lastStep || isStoppedEarly() ? 'finished' : 'requested';
  const leftOut = context.countLeftOut();
  const counts = describesAny(leftOut) ? { leftOut: { ...leftOut } } : {};
  yield { type: 'stopped', step: progress.step, reason, ...counts, time: timestamp() };
  return undefined;
}

/** True if frozen weights are trained after `step`. */
const isUnfreezeDue = (
  { trainable, unfreezeAt }: TrainingSettings,
  step: number,
  record: StepRecord | undefined,
): boolean => trainable !== 'all' && unfreezeAt > 0 && step >= unfreezeAt && record?.unfrozenAt === undefined;

/** The weight of the distillation loss, which falls over the stage. */
const distillWeightIn = ({ start, settings }: TrainingStage, step: number, lastStep: number): number =>
  distillWeightAt(settings.distillWeight, step - start.step, lastStep - start.step);

/** True if the held-out loss ends the stage. */
const isLossReached = ({ until, next }: TrainingStage, heldOutLoss: number | null): boolean =>
  next !== undefined && until?.loss !== undefined && heldOutLoss !== null && heldOutLoss <= until.loss;

const measuredOf = (
  { dir, device, tokens, parts }: TrainingSession,
  { base, loaded, stage }: Segment,
): Measured => ({
  dir,
  base,
  device,
  loaded,
  heldOut: heldOutText(tokens, parts, stage.settings.contextLength),
});

/** What changes with a checkpoint: its stage has ended, or all weights are trained from here on. */
type StateChange = Partial<Pick<StepRecord, 'stageEnd' | 'unfrozenAt'>>;

type Saver = (progress: Progress, stage: TrainingStage, change: StateChange) => AsyncGenerator<RunEvent>;

/** A function that saves a checkpoint and evaluates the average that it completes. */
function createSaver(
  { dir, run, device, session, tokens, parts, deviceSeconds, joules }: TrainingSession,
  { base, loaded, training, record: before }: Segment,
  measured: Measured,
): Saver {
  // After a resume `base` is a checkpoint of the run, which a later save deletes: then the tokenizer comes from
  // the newest one.
  let tokenizerFrom = base.dir;
  return async function* (progress, stage, change) {
    const { step, cursor, updates, history, seconds, heldOutLoss, earlyStopping } = progress;
    // The events that led to a checkpoint are on the disk before it.
    await session.sync();
    const lossScale = await training.lossScale();
    const record: StepRecord = {
      version: 2,
      step,
      tokens: tokensAt(stage, step),
      seconds,
      deviceSeconds: deviceSeconds(),
      joules: joules(),
      trainTokens: trainTokensIn(parts),
      textHash: tokens.textHash,
      cursor,
      updates,
      history,
      ...(lossScale ? { lossScale } : {}),
      ...(heldOutLoss === null ? {} : { heldOutLoss }),
      ...(earlyStopping ? { earlyStopping } : {}),
      ...(run.stages ? { stages: stage.starts } : {}),
      ...(before?.unfrozenAt === undefined ? {} : { unfrozenAt: before.unfrozenAt }),
      ...change,
    };
    const retention = retentionOf(stage.settings);
    const folder = await saveCheckpoint(device, dir, base, loaded, record, { tokenizerFrom, retention });
    tokenizerFrom = join(folder, modelFolder);
    yield { type: 'saved', step, dir: folder };
    yield* evaluateAverage(measured, stage.settings, step);
  };
}

/** The order of the batches of a stage. */
export const batchOrderOf = (
  { start, settings: { microBatch, contextLength, seed } }: Pick<TrainingStage, 'start' | 'settings'>,
  parts: readonly TextPart[],
): BatchOrder => ({ microBatch, contextLength, seed, parts, firstDraw: start.draws, order: start.order });

const describesAny = (leftOut: Readonly<LeftOut>): boolean => Object.values(leftOut).some((n) => n > 0);

/** Reads the micro-batches of the update number `cursor`. */
function batchReader(
  { start, settings }: TrainingStage,
  tokens: Tokens,
  parts: readonly TextPart[],
  cursor: number,
): ReadBatch {
  const { contextLength, gradAccum, documentMask } = settings;
  const order = batchOrderOf({ start, settings }, parts);
  return (i, intoTokens, intoDocuments) => {
    const starts = windowStarts((cursor - start.cursor) * gradAccum + i, order);
    for (const [row, first] of starts.entries()) {
      const width = contextLength + 1;
      tokens.read(first, width, intoTokens.subarray(row * width, (row + 1) * width));
      if (documentMask === 'off') continue;
      const documents = intoDocuments.subarray(row * contextLength, (row + 1) * contextLength);
      tokens.readDocumentIds(first, contextLength, documents);
    }
  };
}

interface StepContext {
  readonly step: number;
  readonly lr: number;
  readonly seconds: number;
  readonly tokens: number;
}

const stepEvent = (
  { loss, gradNorm, updateRatio, kl }: StepReport,
  { step, lr, seconds, tokens }: StepContext,
): RunEvent => ({
  type: 'step',
  step,
  lr,
  loss,
  gradNorm,
  updateRatio,
  ...(kl === undefined ? {} : { kl }),
  tokens,
  seconds,
});

/** Why a step changed nothing: its loss or its gradient norm was not below the limit. */
function skippedEvent({ loss, gradNorm }: StepReport, limits: StepLimits, step: number): RunEvent {
  const isLoss = !(loss < limits.loss);
  const value = isLoss ? loss : gradNorm;
  const limit = isLoss ? limits.loss : limits.gradNorm;
  const isFinite = Number.isFinite(value);
  return {
    type: 'skipped',
    step,
    what: isLoss ? 'loss' : 'gradient norm',
    value: isFinite ? value : null,
    limit: isFinite && limit < noLimit ? limit : null,
  };
}
