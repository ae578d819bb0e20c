/**
 * @file The growth between two stages of a run: the newest checkpoint grows with its moments and is certified, and
 * the grown model becomes the newest checkpoint. Whatever is interrupted is done again by the next session.
 */
import { join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { createAborter } from '../../base/signals.ts';
import type { GrowEvent, RunEvent } from '../../contract/schema.ts';
import { createSavedPlan, joinMethodIds, type SavedPlan } from '../../growth/plan/saved-plan.ts';
import { summarizeSizes } from '../../growth/plan/stages.ts';
import type { Certificate } from '../../model/certificate.ts';
import { writeCertificate } from '../../store/checkpoint/checkpoint-writer.ts';
import { openCheckpoint, type Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { computeFingerprint } from '../../store/checkpoint/fingerprint.ts';
import { modelFolder } from '../../store/checkpoint/moments.ts';
import { removeFolder } from '../../store/fs/folder.ts';
import { newestStep } from '../../store/run/runs.ts';
import { growingFolder, keepStageSource, removeGrowthRequest } from '../../store/run/stage-files.ts';
import type { StepRecord } from '../../store/run/step-record.ts';
import { partsOf } from '../../train/optimizers/index.ts';
import type { CertificateSummary } from '../../train/run.ts';
import type { TrainingSettings } from '../../train/settings.ts';
import { emptyHistory } from '../../train/spikes.ts';
import { lastStepOf, nextStart, stageOf, type TrainingStage } from '../../train/stages.ts';
import { certify, withProgress } from '../grow/certify-job.ts';
import { writeGrownCheckpoint } from '../grow/grow-job.ts';
import { loadGrownMoments } from '../grow/optimizer-moments.ts';
import { loadModel, retypeCheckpoint, type LoadedModel } from '../model/weights.ts';
import type { TrainingSession } from './run-loop.ts';
import { heldOutLoss, heldOutText } from './run-measures.ts';
import { countFlops, loadOptionsOf, resolveOn, type RunPosition } from './run-position.ts';
import { saveCheckpoint } from './step-checkpoint.ts';
import { createMissingState } from './training.ts';

/**
 * Grows the newest checkpoint of a run, whose stage has ended, and saves the grown one in its place. Throws what
 * planning and growing throw, and `cancelled` if the run is asked to stop.
 */
export async function* growIntoNextStage(
  context: TrainingSession,
  { record, stage }: RunPosition,
): AsyncGenerator<RunEvent> {
  const { dir, run, device } = context;
  const { stageEnd } = record!;
  const before = withoutStage(record!);
  const started = performance.now();
  const sourceStep = await keepStageSource(dir, (await newestStep(dir))!);
  const source = await openCheckpoint(join(sourceStep, modelFolder));
  const name = `${run.name}, step ${before.step}`;
  const requests =
    stage.next?.grow ?? refuse('run/damaged', { run: run.name, why: 'its last stage has ended' });
  const plan = createSavedPlan({ ...source.summary, name }, requests, await computeFingerprint(source));
  const out = growingFolder(dir);
  await removeFolder(out);
  const certificate = yield* growAndCertify(context, source, plan, out);
  const { checkpoint: base, weights } = retypeCheckpoint(await openCheckpoint(out), 'float32');
  const next = stageAfter(context, base, stage, before);
  const options = loadOptionsOf(base, next.settings, before.unfrozenAt !== undefined);
  const loaded = await loadModel(device, base, weights, options);
  try {
    const updates = await loadGrownMoments(device, base, loaded);
    const lossAfter = stageEnd!.heldOutLoss === null ? null : await lossOnHeldOut(context, loaded, stage);
    const { parameters } = summarizeSizes(plan.stages);
    yield {
      type: 'grown',
      step: before.step,
      stage: next.index + 1,
      reason: stageEnd!.reason,
      method: joinMethodIds(plan.stages),
      parametersBefore: parameters.before,
      parameters: parameters.after,
      lossBefore: stageEnd!.heldOutLoss,
      lossAfter,
      certificate: summarizeCertificate(certificate),
      tokens: next.start.tokens,
      flops: next.start.flops,
      flopsPerToken: next.start.flopsPerToken,
      steps: lastStepOf(next),
      seconds: (performance.now() - started) / 1000,
      source: sourceStep,
      time: new Date().toISOString(),
    };
    const saved = await saveGrown(
      context,
      base,
      loaded,
      { ...before, updates, stages: next.starts },
      next.settings,
    );
    yield { type: 'saved', step: before.step, dir: saved };
  } finally {
    loaded.dispose();
  }
  await removeGrowthRequest(dir);
  await removeFolder(out);
}

/** Writes the grown checkpoint with its certificate into `out`. */
async function* growAndCertify(
  { device, shouldStop }: TrainingSession,
  source: Checkpoint,
  plan: SavedPlan,
  out: string,
): AsyncGenerator<RunEvent, Certificate> {
  const { signal, abort } = createAborter();
  const stopIfAsked = (): void => {
    if (shouldStop()) abort();
  };
  const growth = writeGrownCheckpoint(device, source, plan, out, signal);
  for (let next = await growth.next(); !next.done; next = await growth.next()) {
    stopIfAsked();
    yield* reportGrowth(next.value);
  }
  const certifying = withProgress((onProgress) =>
    certify(device, source.dir, out, {
      signal,
      onProgress(progress) {
        stopIfAsked();
        onProgress(progress);
      },
    }),
  );
  let next = await certifying.next();
  for (; !next.done; next = await certifying.next()) {
    const { done, of } = next.value;
    yield { type: 'preparing', what: 'comparing the grown model with its source', done, of };
  }
  await writeCertificate(out, next.value);
  return next.value;
}

/** The record without the end of its stage, and without evaluations, which say nothing about the larger model. */
function withoutStage(record: StepRecord): StepRecord {
  const before: { -readonly [K in keyof StepRecord]: StepRecord[K] } = { ...record };
  delete before.stageEnd;
  delete before.heldOutLoss;
  delete before.earlyStopping;
  return before;
}

/** The progress of a growth as an event of the run. */
function* reportGrowth(event: GrowEvent): Generator<RunEvent> {
  if (event.type === 'tensor') {
    const { bytes: done, ofBytes: of } = event;
    yield { type: 'preparing', what: 'growing the model', done, of };
  }
  if (event.type === 'moments')
    yield { type: 'preparing', what: 'growing the optimizer moments', done: event.done, of: event.of };
}

const summarizeCertificate = ({
  promise,
  verdict,
  maxLogit,
  tolerance,
  kl,
}: Certificate): CertificateSummary => ({ promise, verdict, maxLogit, tolerance, kl });

/** Held-out loss of the grown model on the windows that the source read at the end of its stage. */
const lossOnHeldOut = (
  { device, tokens, parts }: TrainingSession,
  loaded: LoadedModel,
  { settings }: TrainingStage,
): Promise<number> =>
  heldOutLoss(device, loaded, settings, heldOutText(tokens, parts, settings.contextLength));

/** The stage that begins with the grown model. */
function stageAfter(
  { run, device }: TrainingSession,
  base: Checkpoint,
  stage: TrainingStage,
  { step, cursor }: StepRecord,
): TrainingStage {
  const withStart = (flopsPerToken: number): TrainingStage =>
    stageOf(run, [...stage.starts, nextStart(stage, step, { cursor, flopsPerToken })]);
  const { settings } = withStart(0);
  return withStart(countFlops(device, base, resolveOn(device, base, settings)));
}

/** Saves the grown model in the place of the checkpoint that it grew from, and removes all earlier ones. */
async function saveGrown(
  { dir, device, session, deviceSeconds, joules }: TrainingSession,
  base: Checkpoint,
  loaded: LoadedModel,
  record: StepRecord,
  { emaDecay }: TrainingSettings,
): Promise<string> {
  for (const bucket of loaded.model.buckets)
    for (const part of partsOf(bucket, { emaDecay }))
      await createMissingState(device, loaded.tensors, part, bucket);
  // The events that led to a checkpoint are on the disk before it.
  await session.sync();
  const grown: StepRecord = {
    ...record,
    deviceSeconds: deviceSeconds(),
    joules: joules(),
    // Losses and gradient norms of the smaller model say nothing about outliers of this one.
    history: emptyHistory,
  };
  return saveCheckpoint(device, dir, base, loaded, grown, { retention: { newest: 1, every: 0, best: 0 } });
}
