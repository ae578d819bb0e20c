/**
 * @file The learning rate as a function of the step, and changes of the schedule during a run. A change never
 * alters the steps before it.
 */
import type { Phase, Schedule, TrainingSettings } from './settings.ts';

type BatchSettings = Pick<TrainingSettings, 'microBatch' | 'contextLength' | 'gradAccum'>;

/** Target tokens of one update. */
export const tokensPerStep = (s: BatchSettings): number => s.microBatch * s.contextLength * s.gradAccum;

/** Updates of a whole run: at least one. */
export const stepsOf = (s: BatchSettings & Pick<TrainingSettings, 'tokens'>): number =>
  Math.max(1, Math.ceil(s.tokens / tokensPerStep(s)));

const phasesOf = (s: TrainingSettings): readonly Phase[] =>
  s.phases ?? [{ from: 0, until: stepsOf(s), schedule: s.schedule, warmupSteps: s.warmupSteps }];

/**
 * Learning rate of `step` (from 1): linear warmup, then constant, linear or cosine to the minimum, or stable
 * with a linear decay at the end (wsd; Hu et al. 2024, MiniCPM).
 */
export function learningRate(s: TrainingSettings, step: number): number {
  const phases = phasesOf(s);
  const index = phases.findLastIndex((phase) => phase.from < step);
  return rateInPhase(s, phases, Math.max(0, index), step);
}

/** Learning rate of `step` by phase number `i`; later phases do not exist for it. */
function rateInPhase(s: TrainingSettings, phases: readonly Phase[], i: number, step: number): number {
  const { from, until, schedule, warmupSteps } = phases[i]!;
  const start = i === 0 ? 0 : rateInPhase(s, phases, i - 1, Math.max(1, from));
  const peak = i === 0 || warmupSteps > 0 ? s.lr : start;
  const elapsed = step - from;
  const minimum = Math.min(peak, s.lr * s.minLrRatio);
  if (elapsed <= warmupSteps) return start + ((peak - start) * elapsed) / warmupSteps;
  const progress = Math.min(1, (elapsed - warmupSteps) / Math.max(1, until - from - warmupSteps));
  switch (schedule) {
    case 'constant':
      return peak;
    case 'cosine':
      return minimum + 0.5 * (peak - minimum) * (1 + Math.cos(Math.PI * progress));
    case 'linear':
    case 'decay':
      return peak + (minimum - peak) * progress;
    case 'wsd': {
      const decaySteps = Math.max(1, Math.round((until - from) * s.decayFraction));
      const left = Math.max(0, until - step);
      return left >= decaySteps ? peak : minimum + ((peak - minimum) * left) / decaySteps;
    }
  }
}

/** The phases with `phase` in the place of those that begin where it does or later. */
const replacePhases = (s: TrainingSettings, phase: Phase): readonly Phase[] => [
  ...phasesOf(s).filter((earlier) => earlier.from < phase.from),
  phase.from === 0 ? { ...phase, warmupSteps: s.warmupSteps } : phase,
];

/** Settings of a run that ends with `phase`. */
const withPhase = (s: TrainingSettings, phase: Phase): TrainingSettings => ({
  ...s,
  tokens: Math.round(phase.until * tokensPerStep(s)),
  phases: replacePhases(s, phase),
});

/**
 * Settings of a run whose learning rate rises to its peak again where stage `stage` begins, and then continues to
 * the planned end. A warmup that would pass the end is cut there. They stay as they are if they have this phase.
 */
export function withRewarm(
  s: TrainingSettings,
  { stage, from, warmupSteps }: Required<Pick<Phase, 'stage' | 'from' | 'warmupSteps'>>,
): TrainingSettings {
  const phases = phasesOf(s);
  if (phases.some((phase) => (phase.stage ?? 0) >= stage)) return s;
  const { until, schedule } = phases.at(-1)!;
  const length = Math.max(0, Math.min(warmupSteps, until - from));
  return { ...s, phases: replacePhases(s, { from, until, schedule, warmupSteps: length, stage }) };
}

/**
 * Settings of a run whose learning rate decays from after `step` straight to the minimum over `steps` steps and
 * which then ends. `steps` defaults to the decay fraction of the planned run.
 */
export function decayFrom(s: TrainingSettings, step: number, steps?: number): TrainingSettings {
  const decaySteps = steps ?? Math.max(1, Math.round(stepsOf(s) * s.decayFraction));
  return withPhase(s, { from: step, until: step + decaySteps, schedule: 'decay', warmupSteps: 0 });
}

/** True if the last change of the schedule was a decay on request. */
export const isDecaying = (s: TrainingSettings): boolean => s.phases?.at(-1)?.schedule === 'decay';

/**
 * Settings of a run that continues from `step` to a total of `tokens`. The learning rate continues where it is,
 * or first rises to its peak again over `rewarmSteps` steps (Ibrahim et al. 2024). A warmup that has not ended
 * is finished first. `schedule` is that of the steps from here on: a run at a constant learning rate can so become
 * the beginning of one that decays.
 */
export function extend(
  s: TrainingSettings,
  step: number,
  tokens: number,
  rewarmSteps: number,
  schedule: Schedule = s.schedule,
): TrainingSettings {
  const until = Math.max(step + 1, stepsOf({ ...s, tokens }));
  const current = phasesOf(s).findLast((phase) => phase.from <= step)!;
  const warmupLeft = current.from + current.warmupSteps - step;
  const warmupSteps = Math.min(Math.max(rewarmSteps, warmupLeft), until - step);
  return withPhase({ ...s, schedule }, { from: step, until, schedule, warmupSteps });
}
