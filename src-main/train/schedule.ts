/**
 * @file The learning rate as a function of the step, and how a schedule changes while a run is under way:
 * what was done stays as it was.
 */
import type { Phase, TrainingSettings } from './settings.ts';

/** Target tokens of one update. */
export const tokensPerStep = (s: Pick<TrainingSettings, 'batch' | 'sequence' | 'accumulate'>): number =>
  s.batch * s.sequence * s.accumulate;

/** Updates of a whole run: at least one. */
export const stepsOf = (s: Pick<TrainingSettings, 'tokens' | 'batch' | 'sequence' | 'accumulate'>): number =>
  Math.max(1, Math.ceil(s.tokens / tokensPerStep(s)));

const phasesOf = (s: TrainingSettings): readonly Phase[] =>
  s.phases ?? [{ from: 0, until: stepsOf(s), schedule: s.schedule, warmup: s.warmup }];

/**
 * Learning rate of `step` (from 1): linear warm-up, then constant, linear or cosine to the floor, or stable
 * with a linear fall at the end (Hu et al. 2024, MiniCPM).
 */
export function learningRate(s: TrainingSettings, step: number): number {
  const phases = phasesOf(s);
  return rateIn(
    s,
    phases,
    Math.max(
      0,
      phases.findLastIndex((p) => p.from < step),
    ),
    step,
  );
}

/** As if the phases after number `i` were not there. */
function rateIn(s: TrainingSettings, phases: readonly Phase[], i: number, step: number): number {
  const { from, until, schedule, warmup } = phases[i]!;
  const begin = i === 0 ? 0 : rateIn(s, phases, i - 1, Math.max(1, from));
  const peak = i === 0 || warmup > 0 ? s.lr : begin;
  const t = step - from;
  const lowest = Math.min(peak, s.lr * s.floor);
  if (t <= warmup) return begin + ((peak - begin) * t) / warmup;
  const share = Math.min(1, (t - warmup) / Math.max(1, until - from - warmup));
  if (schedule === 'constant') return peak;
  if (schedule === 'cosine') return lowest + 0.5 * (peak - lowest) * (1 + Math.cos(Math.PI * share));
  if (schedule !== 'wsd') return peak + (lowest - peak) * share;
  const fall = Math.max(1, Math.round((until - from) * s.cooldown));
  const left = Math.max(0, until - step);
  return left >= fall ? peak : lowest + ((peak - lowest) * left) / fall;
}

/** With `phase` in the place of all that begins where it does or later. */
const changed = (s: TrainingSettings, phase: Phase): TrainingSettings => ({
  ...s,
  tokens: phase.until * tokensPerStep(s),
  phases: [
    ...phasesOf(s).filter((p) => p.from < phase.from),
    phase.from === 0 ? { ...phase, warmup: s.warmup } : phase,
  ],
});

/**
 * The run's learning rate falls from after `step` on, straight to the floor over `steps` steps (by default
 * the cool-down's share of the run so far planned), and there the run ends.
 */
export const decaying = (
  s: TrainingSettings,
  step: number,
  steps: number = Math.max(1, Math.round(stepsOf(s) * s.cooldown)),
): TrainingSettings => changed(s, { from: step, until: step + steps, schedule: 'fall', warmup: 0 });

/** True once a run was told to decay and was not extended since. */
export const isDecaying = (s: TrainingSettings): boolean => s.phases?.at(-1)?.schedule === 'fall';

/**
 * The run goes on from `step` to a total of `tokens`; the learning rate goes on from where it is, or first
 * rises to its peak again over `rewarm` steps (Ibrahim et al. 2024). A warm-up under way is ended as it
 * began.
 */
export function extended(
  s: TrainingSettings,
  step: number,
  tokens: number,
  rewarm: number,
): TrainingSettings {
  const until = Math.max(step + 1, stepsOf({ ...s, tokens }));
  const { from, warmup } = phasesOf(s).findLast((p) => p.from <= step)!;
  return changed(s, {
    from: step,
    until,
    schedule: s.schedule,
    warmup: Math.min(Math.max(rewarm, from + warmup - step), until - step),
  });
}
