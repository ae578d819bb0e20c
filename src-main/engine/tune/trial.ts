/** @file One trial of a tuning: a short training in memory, which is measured on held-out text at every rung. */
import type { Tokens } from '../../store/data/tokenize.ts';
import { windowStarts, type TextPart } from '../../train/batches.ts';
import { learningRate, stepsOf } from '../../train/schedule.ts';
import { evaluationPrecisionOf } from '../../train/settings.ts';
import { isBelowPar, rungsOf, type NextTrial } from '../../train/tuning/search.ts';
import type { Trial } from '../../train/tuning/tuning.ts';
import { noLimit } from '../../train/update.ts';
import { openLossMeter } from '../model/programs.ts';
import type { LoadedModel } from '../model/weights.ts';
import type { Device } from '../ort/device.ts';
import type { Window } from '../train/run-measures.ts';
import { Training, type ReadBatch, type ResolvedSettings } from '../train/training.ts';

/** The text of all trials, which read the same batches in the same order. */
export interface TrialText {
  readonly tokens: Tokens;
  readonly parts: readonly TextPart[];
  readonly heldOut: readonly Window[];
}

export interface TrialProgress {
  readonly step: number;
  readonly of: number;
  readonly loss: number;
}

/** Micro-batch `i` of update number `step`, from 0. */
export function batchReader(
  { tokens, parts }: TrialText,
  settings: ResolvedSettings,
  step: number,
): ReadBatch {
  const { microBatch, contextLength, gradAccum, documentMask, seed } = settings;
  const width = contextLength + 1;
  return (i, intoTokens, intoDocuments) => {
    const starts = windowStarts(step * gradAccum + i, { microBatch, contextLength, seed, parts });
    for (const [row, first] of starts.entries()) {
      tokens.read(first, width, intoTokens.subarray(row * width, (row + 1) * width));
      if (documentMask === 'off') continue;
      tokens.readDocumentIds(
        first,
        contextLength,
        intoDocuments.subarray(row * contextLength, (row + 1) * contextLength),
      );
    }
  };
}

/**
 * Trains the model, yields the loss of every step, and returns the trial. It ends early if a loss is not finite, or at
 * a rung where it is worse than the median of `earlier`. Undefined if `shouldStop` ended it.
 */
export async function* runTrial(
  device: Device,
  loaded: LoadedModel,
  text: TrialText,
  {
    trial,
    settings,
    earlier,
  }: {
    readonly trial: NextTrial;
    readonly settings: ResolvedSettings;
    readonly earlier: readonly Trial[];
  },
  shouldStop: () => boolean,
): AsyncGenerator<TrialProgress, Trial | undefined> {
  const started = performance.now();
  const { microBatch, contextLength, documentMask } = settings;
  const precision = evaluationPrecisionOf(settings);
  const steps = stepsOf(settings);
  const rungs: Trial['rungs'][number][] = [];
  const finish = (end: Trial['end']): Trial => {
    const { width, tests, values } = trial;
    return { width, tests, values, rungs, end, seconds: (performance.now() - started) / 1000 };
  };
  const training = await Training.open(device, loaded, settings);
  try {
    const meter = await openLossMeter(device, loaded, { microBatch, contextLength, documentMask, precision });
    try {
      for (let step = 1; step <= steps; step++) {
        if (shouldStop()) return undefined;
        const order = {
          update: step,
          lr: learningRate(settings, step),
          limits: { loss: noLimit, gradNorm: noLimit },
          distill: 0,
        };
        const { loss, applied } = await training.step(order, batchReader(text, settings, step - 1));
        if (!Number.isFinite(loss) || !applied) return finish('diverged');
        yield { step, of: steps, loss };
        if (!rungsOf(steps).includes(step)) continue;
        const heldOutLoss = await meter.meanLoss(
          text.heldOut.map((window) => window.tokens),
          text.heldOut.map((window) => window.documents),
        );
        if (!Number.isFinite(heldOutLoss)) return finish('diverged');
        const rung = { step, loss: heldOutLoss };
        rungs.push(rung);
        if (step < steps && isBelowPar(earlier, trial.width, rung)) return finish('stopped');
      }
      return finish('finished');
    } finally {
      await meter.dispose();
    }
  } finally {
    await training.dispose();
  }
}
