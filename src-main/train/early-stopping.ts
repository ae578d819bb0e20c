/**
 * @file Early stopping: a run ends when its held-out loss has not improved for some evaluations. The state is a fold
 * over the evaluations, so that a resume continues it exactly.
 */
import { z } from 'zod';
import type { TrainingSettings } from './settings.ts';

/** What the evaluations so far say. Before the first one there is none. */
export interface EarlyStopping {
  /** The last held-out loss that counted as an improvement, in nats per token, and its step. */
  readonly best: number;
  readonly bestStep: number;
  /** Evaluations since then without an improvement. */
  readonly evaluations: number;
}

export const storedEarlyStopping: z.ZodType<EarlyStopping> = z.object({
  best: z.number(),
  bestStep: z.number().int().min(0),
  evaluations: z.number().int().min(0),
});

type EarlyStoppingSettings = Pick<TrainingSettings, 'earlyStoppingPatience' | 'earlyStoppingThreshold'>;

/**
 * The state after one more evaluation. Improvements below the threshold add up, because `best` stays until one of
 * them passes it (as `min_delta` in Keras and Lightning). A loss that is not finite is no improvement.
 */
export function addEvaluation(
  before: EarlyStopping | undefined,
  { step, loss }: { readonly step: number; readonly loss: number },
  { earlyStoppingThreshold }: EarlyStoppingSettings,
): EarlyStopping {
  if (!before || loss < before.best - earlyStoppingThreshold)
    return { best: loss, bestStep: step, evaluations: 0 };
  return { ...before, evaluations: before.evaluations + 1 };
}

/** True if the run ends here. */
export const isPatienceSpent = (
  state: EarlyStopping | undefined,
  { earlyStoppingPatience }: EarlyStoppingSettings,
): boolean => earlyStoppingPatience > 0 && state !== undefined && state.evaluations >= earlyStoppingPatience;
