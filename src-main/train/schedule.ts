/** @file The learning rate as a function of the step. */
import type { TrainingSettings } from './settings.ts';

/** Target tokens of one update. */
export const tokensPerStep = (s: Pick<TrainingSettings, 'batch' | 'sequence' | 'accumulate'>): number => s.batch * s.sequence * s.accumulate;

/** Updates of a whole run: at least one. */
export const stepsOf = (s: Pick<TrainingSettings, 'tokens' | 'batch' | 'sequence' | 'accumulate'>): number => Math.max(1, Math.ceil(s.tokens / tokensPerStep(s)));

/** Learning rate of `step` (from 1): linear warm-up, then constant, cosine to the floor, or stable with a linear fall at the end (Hu et al. 2024, MiniCPM). */
export function learningRate(s: TrainingSettings, step: number): number {
  const steps = stepsOf(s), lowest = s.lr * s.floor;
  if (step <= s.warmup) return (s.lr * step) / s.warmup;
  const share = (step - s.warmup) / Math.max(1, steps - s.warmup);
  if (s.schedule === 'cosine') return lowest + 0.5 * (s.lr - lowest) * (1 + Math.cos(Math.PI * Math.min(1, share)));
  if (s.schedule === 'constant') return s.lr;
  const fall = Math.max(1, Math.round(steps * s.cooldown)), left = Math.max(0, steps - step);
  return left >= fall ? s.lr : lowest + ((s.lr - lowest) * left) / fall;
}
