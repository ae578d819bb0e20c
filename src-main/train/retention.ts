/** @file Which checkpoints a run keeps: the newest, those of every N steps, and the best by held-out loss. */
import type { TrainingSettings } from './settings.ts';

export interface Retention {
  /** The newest checkpoints, at least one. */
  readonly newest: number;
  /** Steps between checkpoints that are never removed; 0: none. */
  readonly every: number;
  /** Checkpoints with the lowest held-out loss. */
  readonly best: number;
}

/** A resume needs the newest checkpoint; the one before it stays for the case that it is damaged. */
export const fewestKept = 2;

export const defaultRetention: Retention = { newest: fewestKept, every: 0, best: 0 };

type RetentionSettings = Pick<TrainingSettings, 'averageCheckpoints' | 'keepEvery' | 'keepBest'>;

export const retentionOf = ({ averageCheckpoints, keepEvery, keepBest }: RetentionSettings): Retention => ({
  newest: Math.max(fewestKept, averageCheckpoints),
  every: keepEvery,
  best: keepBest,
});

/** A checkpoint, with the held-out loss that was measured at its step; null if none was. */
export interface RetainedStep {
  readonly step: number;
  readonly heldOutLoss: number | null;
}

export type KeptReason = 'newest' | 'every' | 'best';

/** Why each checkpoint is kept; a checkpoint without a reason is removed. `saved` is oldest first. */
export function reasonsToKeep(
  saved: readonly RetainedStep[],
  { newest, every, best }: Retention,
): ReadonlyMap<number, readonly KeptReason[]> {
  const newestSteps = new Set(saved.slice(-newest).map(({ step }) => step));
  const bestSteps = new Set(bestOf(saved, best).map(({ step }) => step));
  return new Map(
    saved.map(({ step }) => [
      step,
      [
        ...(newestSteps.has(step) ? (['newest'] as const) : []),
        ...(bestSteps.has(step) ? (['best'] as const) : []),
        ...(isOfEvery(step, every) ? (['every'] as const) : []),
      ],
    ]),
  );
}

/** The `count` checkpoints with the lowest held-out loss, best first; of equal ones the older. */
export const bestOf = (saved: readonly RetainedStep[], count: number): readonly RetainedStep[] =>
  saved
    .filter(({ heldOutLoss }) => heldOutLoss !== null)
    .toSorted((a, b) => a.heldOutLoss! - b.heldOutLoss! || a.step - b.step)
    .slice(0, count);

/** True if a checkpoint with this held-out loss would be one of the best. */
export function isAmongBest(saved: readonly RetainedStep[], loss: number, count: number): boolean {
  if (count === 0) return false;
  const best = bestOf(saved, count);
  return best.length < count || loss < best.at(-1)!.heldOutLoss!;
}

const isOfEvery = (step: number, every: number): boolean => every > 0 && step > 0 && step % every === 0;

/** The most checkpoints that a run of `steps` steps has at once, after each save. */
export function mostKept(
  settings: RetentionSettings & Pick<TrainingSettings, 'saveEvery'>,
  steps: number,
): number {
  const { newest, every, best } = retentionOf(settings);
  const ofEvery = every > 0 ? Math.floor(steps / every) : 0;
  return Math.min(newest + best + ofEvery, steps + 1);
}
