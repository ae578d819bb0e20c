/**
 * @file A session of a run as segments of steps. A segment ends with the run, with a rollback to the newest
 * checkpoint, or with the end of a stage, after which the model grows.
 */
import { refuse } from '../../base/errors.ts';
import type { RunEvent } from '../../contract/schema.ts';
import { countParameters } from '../../model/parameters.ts';
import { openCheckpoint, type Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import type { StepRecord } from '../../store/run/step-record.ts';
import { trainTokensIn } from '../../train/batches.ts';
import { mupModelOf } from '../../train/mup.ts';
import type { RunSettings } from '../../train/run.ts';
import type { TrainingSettings } from '../../train/settings.ts';
import { lastStepOf, runStart, stageOf, type TrainingStage } from '../../train/stages.ts';
import { chooseKernels, type KernelReport } from '../kernels/self-test.ts';
import { loadGrownMoments } from '../grow/optimizer-moments.ts';
import { checkpointWeights, loadModel, randomWeights, type LoadedModel } from '../model/weights.ts';
import { findAdapter } from '../ort/adapters.ts';
import type { Device } from '../ort/device.ts';
import { runSegment, type Rollback, type SegmentEnd, type TrainingSession } from './run-loop.ts';
import { countFlops, loadOptionsOf, openPosition, resolveOn, type RunPosition } from './run-position.ts';
import { growIntoNextStage } from './stage-growth.ts';
import { loadNewest } from './step-checkpoint.ts';
import { checkContextLength } from '../../train/run-text.ts';
import { Training, type ResolvedSettings } from './training.ts';

type SessionWithoutClock = Omit<TrainingSession, 'deviceSeconds'>;

/** What a session does next. */
interface Next {
  readonly run: RunSettings;
  readonly rollback: Rollback | undefined;
  /** True for the first segment of a session. */
  readonly isFirst: boolean;
}

/**
 * Runs segments until one ends with the run or a stop. Too many rollbacks in a row throw `run/not-finite`.
 */
export async function* trainSegments(session: SessionWithoutClock): AsyncGenerator<RunEvent> {
  const startedAt = performance.now();
  let earlierSeconds: number | undefined;
  let next: Next | undefined = { run: session.run, rollback: undefined, isFirst: true };
  while (next) {
    const { run, rollback, isFirst }: Next = next;
    const position = await openPosition(session.dir, run);
    const before = (earlierSeconds ??= position.record?.deviceSeconds ?? 0);
    const deviceSeconds = (): number => before + (performance.now() - startedAt) / 1000;
    const context = { ...session, run, deviceSeconds };
    if (position.record?.stageEnd) {
      yield* growIntoNextStage(context, position);
      next = { run, rollback: undefined, isFirst };
      continue;
    }
    const end: SegmentEnd | undefined = yield* trainSegment(context, position, { rollback, isFirst });
    next = end && followEnd(run, end);
  }
}

function followEnd(run: RunSettings, end: SegmentEnd): Next {
  if (end.type !== 'rollback') return { run, rollback: undefined, isFirst: false };
  if (end.count > run.settings.maxRollbacks) {
    const what = Number.isFinite(end.report.loss) ? 'gradient norm' : 'loss';
    refuse('run/not-finite', { step: end.from, what });
  }
  return { run: { ...run, settings: end.settings }, rollback: end, isFirst: false };
}

/** Loads the state of the run onto the device and trains it. */
async function* trainSegment(
  context: TrainingSession,
  position: RunPosition,
  { rollback, isFirst }: Pick<Next, 'rollback' | 'isFirst'>,
): AsyncGenerator<RunEvent, SegmentEnd | undefined> {
  const { device, run } = context;
  const { base, record } = position;
  const resolved = resolveOn(device, base, position.stage.settings);
  checkContextLength(base, resolved);
  // The start of a later stage is in the record.
  const stage = record?.stages
    ? position.stage
    : stageOf(run, [runStart(countFlops(device, base, resolved))]);
  const teacher =
    resolved.distillWeight > 0 ? await loadSource(device, base, run.checkpoint, resolved) : undefined;
  try {
    const { loaded, momentUpdates } = await loadState(context, position, resolved);
    try {
      const kernels = await chooseKernels(device, resolved.kernels, resolved.precision);
      const training = await Training.open(
        device,
        loaded,
        resolved,
        teacher,
        record?.lossScale,
        kernels.choice,
      );
      try {
        if (rollback) yield rolledBackEvent(record, rollback);
        else if (isFirst)
          yield await startedEvent(context, {
            base,
            stage,
            record,
            momentUpdates,
            kernels,
            settings: resolved,
          });
        const segment = { base, stage, loaded, training, record, rollback, momentUpdates };
        return yield* runSegment(context, segment);
      } finally {
        await training.dispose();
      }
    } finally {
      loaded.dispose();
    }
  } finally {
    teacher?.dispose();
  }
}

interface LoadedState {
  readonly loaded: LoadedModel;
  /** Updates that grown moments come from. */
  readonly momentUpdates: number;
}

/** Loads the newest checkpoint of the run, or its initial weights. */
async function loadState(
  { dir, run, tokens, parts, device }: TrainingSession,
  { base, weights, record }: RunPosition,
  settings: TrainingSettings,
): Promise<LoadedState> {
  const options = loadOptionsOf(base, settings, record?.unfrozenAt !== undefined);
  if (!record) {
    const isFromCheckpoint = settings.init === 'checkpoint';
    const initial = isFromCheckpoint
      ? weights
      : randomWeights(base, settings.seed, mupModelOf(base, settings));
    const loaded = await loadModel(device, base, initial, options);
    try {
      return { loaded, momentUpdates: isFromCheckpoint ? await loadGrownMoments(device, base, loaded) : 0 };
    } catch (error) {
      loaded.dispose();
      throw error;
    }
  }
  checkText(run, record, trainTokensIn(parts), tokens.textHash);
  const resumed = (await loadNewest(device, dir, options))!;
  return { loaded: resumed.loaded, momentUpdates: 0 };
}

/** Throws `run/text-changed` if the text is not the one of the record. */
function checkText(run: RunSettings, record: StepRecord, now: number, textHash: string): void {
  const { trainTokens: before, textHash: hashBefore } = record;
  if (before === now && (hashBefore === undefined || hashBefore === textHash)) return;
  refuse('run/text-changed', { run: run.name, data: run.data, before, now });
}

const rolledBackEvent = (record: StepRecord | undefined, { from }: Rollback): RunEvent => ({
  type: 'rolled-back',
  step: record?.step ?? 0,
  from,
  time: new Date().toISOString(),
});

async function startedEvent(
  { run, parts, device, session }: TrainingSession,
  {
    base,
    stage,
    record,
    momentUpdates,
    kernels,
    settings: { activationCheckpointing },
  }: {
    readonly base: Checkpoint;
    readonly stage: TrainingStage;
    readonly record: StepRecord | undefined;
    readonly momentUpdates: number;
    readonly kernels: KernelReport;
    readonly settings: ResolvedSettings;
  },
): Promise<RunEvent> {
  await session.setState('running');
  return {
    type: 'started',
    step: record?.step ?? 0,
    device: device.kind,
    deviceName: device.name,
    memory: findAdapter(device.kind).memory,
    parameters: countParameters(base.family, base.dims, base.settings),
    steps: lastStepOf(stage),
    trainTokens: trainTokensIn(parts),
    heldOutTokens: parts.reduce((sum, part) => sum + part.heldOut, 0),
    activationCheckpointing,
    ...(device.kind === 'cuda' ? { kernels: { used: [...kernels.choice], refused: kernels.refused } } : {}),
    flopsPerToken: stage.start.flopsPerToken,
    ...(run.stages ? { stage: stage.index + 1 } : {}),
    ...(momentUpdates > 0 ? { momentUpdates } : {}),
    time: new Date().toISOString(),
  };
}

/** The frozen model that a grown checkpoint came from. Throws `run/no-source`. */
async function loadSource(
  device: Device,
  base: Checkpoint,
  checkpoint: string,
  settings: TrainingSettings,
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
