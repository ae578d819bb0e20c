/** @file Follows the losses of a stage: how fast they fall, and whether the stage has reached its end. */
import { isPlateau, scaleSlope, slopeOf } from '../../cost/slope.ts';
import { readEvents } from '../../store/run/events.ts';
import { listStepLosses, type StepLoss } from '../../train/step-losses.ts';
import type { SlopeEvent } from '../../train/run.ts';
import { tokensPerStep } from '../../train/schedule.ts';
import { tokensAt, type StageEndReason, type TrainingStage } from '../../train/stages.ts';

export interface StageWatch {
  /** Adds the loss of a step. */
  add(step: number, loss: number): void;
  /** The slope after `step`, at the steps where it is measured; undefined at others and while there are few steps. */
  measure(step: number): SlopeEvent | undefined;
  /** Why the stage ends after `step`, as far as no held-out loss decides; undefined if it does not. */
  findEnd(step: number, slope: SlopeEvent | undefined): StageEndReason | undefined;
}

/** Fewest steps between two slopes, and the share of the steps of the stage that lie between them. */
const fewestSteps = 16;
const shareOfSteps = 1 / 32;

/** Whether the slope is measured after the first `count` steps of a stage: at multiples of a growing power of two. */
export const isSlopeDue = (count: number): boolean =>
  count > 0 && count % Math.max(fewestSteps, 2 ** Math.floor(Math.log2(count * shareOfSteps))) === 0;

/** Follows a stage from a step on. `earlier` has its losses up to there; `isRequested` asks for the growth by hand. */
export function watchStage(
  stage: TrainingStage,
  earlier: readonly StepLoss[],
  isRequested: () => boolean,
): StageWatch {
  const { start, settings, until, next, warmupSteps: warmup } = stage;
  const steps = earlier.map(({ step }) => step - start.step);
  const losses = earlier.map(({ loss }) => loss);
  const perMillion = 1e6 / tokensPerStep(settings);
  return {
    add(step, loss) {
      steps.push(step - start.step);
      losses.push(loss);
    },
    measure(step) {
      if (!isSlopeDue(step - start.step)) return undefined;
      const slope = slopeOf(steps, losses, { warmup });
      return slope && { type: 'slope', step, ...scaleSlope(slope, perMillion) };
    },
    findEnd(step, slope) {
      if (!next) return undefined;
      if (isRequested()) return 'by hand';
      if (until?.tokens !== undefined && tokensAt(stage, step) >= until.tokens) return 'tokens';
      if (until?.plateau !== undefined && slope && isPlateau(slope, until.plateau)) return 'plateau';
      return undefined;
    },
  };
}

/** Follows the stage of a run from `step` on. */
export async function openStageWatch(
  dir: string,
  stage: TrainingStage,
  step: number,
  isRequested: () => boolean,
): Promise<StageWatch> {
  const earlier = listStepLosses(await readEvents(dir), stage.start.step, step);
  return watchStage(stage, earlier, isRequested);
}
