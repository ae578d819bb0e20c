/**
 * @file A run, step after step: feed, update, report, save. Stopping is answered between two steps; a step
 * that would do harm changes nothing.
 */
import { join } from 'node:path';
import type { RunEvent } from '../../contract/schema.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { modelFolder } from '../../store/checkpoint/moments.ts';
import type { RunSession } from '../../store/run/runs.ts';
import { openTokenizer } from '../../store/data/tokenizer.ts';
import type { Tokens } from '../../store/data/tokens.ts';
import { trainTokensIn, windowStarts, type TextPart } from '../../train/batches.ts';
import { distillShare } from '../../train/distill.ts';
import type { RunSettings } from '../../train/run.ts';
import { decaying, isDecaying, learningRate, stepsOf, tokensPerStep } from '../../train/schedule.ts';
import { keptStates, type TrainingSettings } from '../../train/settings.ts';
import { limitsOf, nothingSeen, watched } from '../../train/spikes.ts';
import { unbounded } from '../../train/update.ts';
import type { Device } from '../ort/device.ts';
import { averaged, evaluated, heldOut, sampled, type Measured } from './run-measures.ts';
import { saveCheckpoint, type StepRecord } from './step-checkpoint.ts';
import type { StepReport, Training } from './training.ts';
import type { Loaded } from '../model/weights.ts';

/** All that stays the same from the first step of a sitting to its last. */
export interface Sitting {
  readonly dir: string;
  readonly run: RunSettings;
  readonly base: Checkpoint;
  readonly tokens: Tokens;
  readonly parts: readonly TextPart[];
  readonly device: Device;
  readonly session: RunSession;
  stop(): boolean;
  /** Seconds that a device was held for this run, all sittings together. */
  deviceSeconds(): number;
  /** Energy of the run so far, all sittings together; null where nobody tells. */
  joules(): number | null;
}

/** What a stretch of steps begins with. */
export interface Stretch {
  readonly loaded: Loaded;
  readonly training: Training;
  /** Of the checkpoint it goes on from; undefined at a run's start. */
  readonly record: StepRecord | undefined;
  /** How the stretch before this one ended, where it went back to that checkpoint. */
  readonly back: Back | undefined;
  /** Updates that moments which came with the checkpoint have seen. */
  readonly carried: number;
}

/**
 * A stretch that has to go back to the last saved state: from which step and why, where in the text to read
 * on, what was spent, under which settings, and how often without a new saved state in between.
 */
export interface Back {
  readonly from: number;
  readonly what: StepReport;
  readonly cursor: number;
  readonly seconds: number;
  readonly settings: TrainingSettings;
  readonly times: number;
}

const now = (): string => new Date().toISOString();

/**
 * From the state in `loaded` to the last step, or until told to stop; answers with where it has to go back.
 */
export async function* steppedThrough(
  { dir, run, base, tokens, parts, device, session, stop, deviceSeconds, joules }: Sitting,
  { loaded, training, record, back, carried }: Stretch,
): AsyncGenerator<RunEvent, Back | undefined> {
  let s = back?.settings ?? run.settings;
  let steps = stepsOf(s);
  const measured: Measured = { dir, base, device, loaded, held: heldOut(tokens, parts, s.sequence) };
  const tokenizer = await openTokenizer(base.dir, base.dims['vocab']!);
  let step = record?.step ?? 0;
  let cursor = back?.cursor ?? record?.cursor ?? 0;
  let updates = record?.updates ?? carried;
  let watch = record?.watch ?? nothingSeen;
  let seconds = back?.seconds ?? record?.seconds ?? 0;
  let saved = step;
  let times = back?.times ?? 0;
  let side = base.dir; // `side` is a saved step after a resume, which later ones will push out
  async function* save(): AsyncGenerator<RunEvent> {
    await session.sync(); // what led here is on the disk before the checkpoint is
    const scaling = await training.scaling();
    const entry: StepRecord = {
      version: 1,
      step,
      tokens: step * tokensPerStep(s),
      seconds,
      deviceSeconds: deviceSeconds(),
      joules: joules(),
      trainTokens: trainTokensIn(parts),
      cursor,
      updates,
      watch,
      ...(scaling ? { scaling } : {}),
    };
    const folder = await saveCheckpoint(device, dir, base, loaded, entry, { side, kept: keptStates(s) });
    [side, saved, times] = [join(folder, modelFolder), step, 0];
    yield { at: 'saved', step, dir: folder };
    yield* averaged(measured, s, step);
  }
  if (!record && !back) yield* evaluated(measured, s, step);
  const every = (n: number): boolean => n > 0 && step % n === 0;
  while (step < steps && !stop()) {
    const asked = session.decayAsked();
    if (asked) {
      if (!isDecaying(s)) s = decaying(s, step, asked.steps);
      steps = stepsOf(s);
      await session.reschedule(s);
      yield { at: 'rescheduled', step, steps, time: now() };
    }
    const began = performance.now();
    const limits = limitsOf(watch, s.skip);
    const lr = learningRate(s, step + 1);
    const report = await training.step(
      { update: updates + 1, lr, limits, distill: distillShare(s.distill, step + 1, steps) },
      (i, into, documents) => {
        windowStarts(cursor * s.accumulate + i, {
          batch: s.batch,
          sequence: s.sequence,
          seed: s.seed,
          parts,
        }).forEach((start, row) => {
          tokens.read(
            start,
            s.sequence + 1,
            into.subarray(row * (s.sequence + 1), (row + 1) * (s.sequence + 1)),
          );
          if (s.documents === 'apart')
            tokens.documentsOf(
              start,
              s.sequence,
              documents.subarray(row * s.sequence, (row + 1) * s.sequence),
            );
        });
      },
    );
    const { applied, rescaled = false, ...told } = report;
    const took = (performance.now() - began) / 1000;
    [step, cursor, updates, seconds, watch] = [
      step + 1,
      cursor + 1,
      updates + (applied ? 1 : 0),
      seconds + took,
      rescaled ? watch : watched(watch, report),
    ];
    if (watch.bad === 0 && !rescaled)
      yield { at: 'step', step, lr, ...told, tokens: step * tokensPerStep(s), seconds: took };
    if (!applied) yield leftOut(report, limits, step);
    const last = step === steps;
    if (watch.bad >= s.rollback || (last && watch.bad > 0))
      return { from: step, what: report, cursor, seconds, settings: s, times: times + 1 };
    if (last || every(s.evaluateEvery)) yield* evaluated(measured, s, step);
    if (last || every(s.sampleEvery)) yield await sampled(measured, tokenizer, s, step);
    if (watch.bad === 0 && (last || every(s.saveEvery))) yield* save();
  }
  // while steps are not finite, the state before them is the good one
  if (watch.bad === 0 && (saved !== step || step === 0)) yield* save();
  yield { at: 'stopped', step, reason: step >= steps ? 'finished' : 'asked', time: now() };
  return undefined;
}

/** Why a step changed nothing. */
function leftOut(
  { loss, norm }: StepReport,
  limits: { readonly loss: number; readonly norm: number },
  step: number,
): RunEvent {
  const what = loss < limits.loss ? 'gradient norm' : 'loss';
  const value = what === 'loss' ? loss : norm;
  const limit = what === 'loss' ? limits.loss : limits.norm;
  return {
    at: 'skipped',
    step,
    what,
    value: Number.isFinite(value) ? value : null,
    limit: Number.isFinite(value) && limit < unbounded ? limit : null,
  };
}
