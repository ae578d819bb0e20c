/** @file What a tuning will take: the tokens, time, energy and price of all trials at both widths. */
import type { TrainingSettings } from '../train/settings.ts';
import { minCompared, rungsOf } from '../train/tuning/search.ts';
import { stepsOf, tokensPerStep } from '../train/schedule.ts';
import { estimate, type EstimateRequest } from './estimate.ts';
import type { Subject } from './programs.ts';
import { addRanges, type Range } from './range.ts';

/** The trials at one width. */
export interface PlannedTrials {
  readonly subject: Subject;
  /** The most. */
  readonly count: number;
}

/** The bounds hold if as many trials as can are stopped at their first rung, and if none is. */
export interface TuningEstimate {
  readonly trials: number;
  readonly tokens: { readonly low: number; readonly high: number };
  /** Absent if the speed of the device is unknown. */
  readonly seconds?: Range;
  /** Kilowatt-hours. */
  readonly energy?: Range;
  /** US dollars. */
  readonly cost?: Range;
}

/** Estimates all trials on the first target, one after the other. The coordinate check is not part of it. */
export function estimateTuning(
  widths: readonly PlannedTrials[],
  settings: TrainingSettings,
  facts: Pick<EstimateRequest, 'targets' | 'assumptions'>,
): TuningEstimate {
  const parts = widths
    .filter(({ count }) => count > 0)
    .map(({ subject, count }) => {
      const whole = estimate({
        ...facts,
        subject,
        training: { ...settings, evaluateEvery: 0, saveEvery: 0, sampleEvery: 0 },
        targets: facts.targets.slice(0, 1),
        book: { devices: [], prices: [] },
        skipAlternatives: true,
      });
      const least =
        Math.min(count, minCompared) + Math.max(0, count - minCompared) * firstRungShare(settings);
      const scale = (range: Range): Range => ({
        low: range.low * least,
        likely: (range.likely * (least + count)) / 2,
        high: range.high * count,
      });
      const [device] = whole.here;
      return {
        trials: count,
        least,
        seconds: device?.seconds && scale(device.seconds),
        energy: device?.energy && scale(device.energy),
        cost: whole.offers[0] && scale(whole.offers[0].money),
      };
    });
  const sum = (key: 'trials' | 'least'): number => parts.reduce((total, part) => total + part[key], 0);
  const tokens = stepsOf(settings) * tokensPerStep(settings);
  const total = (key: 'seconds' | 'energy' | 'cost'): Range | undefined => {
    const ranges = parts.map((part) => part[key]);
    return ranges.length > 0 && ranges.every((range) => range !== undefined)
      ? ranges.reduce(addRanges)
      : undefined;
  };
  const [seconds, energy, cost] = [total('seconds'), total('energy'), total('cost')];
  return {
    trials: sum('trials'),
    tokens: { low: sum('least') * tokens, high: sum('trials') * tokens },
    ...(seconds ? { seconds } : {}),
    ...(energy ? { energy } : {}),
    ...(cost ? { cost } : {}),
  };
}

/** The share of a trial after which it can be stopped. */
function firstRungShare(settings: TrainingSettings): number {
  const steps = stepsOf(settings);
  return rungsOf(steps)[0]! / steps;
}
