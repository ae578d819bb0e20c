import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decayFrom,
  extend,
  isDecaying,
  learningRate,
  stepsOf,
  tokensPerStep,
} from '../../src-main/train/schedule.ts';
import {
  settingTable,
  trainingDefaults,
  type Schedule,
  type TrainingSettings,
} from '../../src-main/train/settings.ts';

const warmupSteps = 10;
const minimum = 0.1;

/** Settings of a run of 100 steps with a peak learning rate of 1. */
const createSettings = (changes: Partial<TrainingSettings> = {}): TrainingSettings => ({
  ...trainingDefaults,
  microBatch: 2,
  contextLength: 5,
  gradAccum: 1,
  tokens: 1000,
  lr: 1,
  warmupSteps,
  minLrRatio: minimum,
  decayFraction: 0.2,
  ...changes,
});

/** The learning rates of steps `from` to `to`. */
const ratesOf = (s: TrainingSettings, to = stepsOf(s), from = 1): readonly number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => learningRate(s, from + i));

const schedules = Object.keys(settingTable.schedule.labels) as readonly Schedule[];

describe.each(schedules)('the schedule %s', (schedule) => {
  const settings = createSettings({ schedule });
  const rates = ratesOf(settings);

  it('warms up linearly to the peak', () => {
    const warmup = Array.from({ length: warmupSteps }, (_, i) => (i + 1) / warmupSteps);
    expect(rates.slice(0, warmupSteps)).toEqual(warmup);
  });

  it('never rises after the warmup', () => {
    for (let i = warmupSteps; i < rates.length; i++)
      expect(rates[i]!).toBeLessThanOrEqual(rates[i - 1]! + 1e-12);
  });

  it('ends at the minimum unless it is constant', () => {
    expect(rates.at(-1)).toBeCloseTo(schedule === 'constant' ? 1 : minimum, 12);
  });

  it('can decay from any step without a jump, and then ends', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 99 }), fc.integer({ min: 1, max: 60 }), (step, decaySteps) => {
        const decaying = decayFrom(settings, step, decaySteps);
        expect(stepsOf(decaying)).toBe(step + decaySteps);
        expect([isDecaying(settings), isDecaying(decaying)]).toEqual([false, true]);
        expect(ratesOf(decaying, step)).toEqual(rates.slice(0, step));
        const start = rates[step - 1]!;
        const decayRates = ratesOf(decaying, step + decaySteps, step + 1);
        expect(decayRates.at(-1)).toBeCloseTo(Math.min(minimum, start), 12);
        const fallPerStep = (start - decayRates.at(-1)!) / decaySteps;
        for (const [i, rate] of decayRates.entries())
          expect(rate).toBeCloseTo(start - fallPerStep * (i + 1), 12);
      }),
    );
  });

  it('can be extended from any step, where it continues or rises to the peak again', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 2, max: 200 }),
        fc.integer({ min: 0, max: 30 }),
        (step, moreSteps, rewarmSteps) => {
          const tokens = (step + moreSteps) * tokensPerStep(settings);
          const extended = ratesOf(extend(settings, step, tokens, rewarmSteps));
          const rise = Math.min(Math.max(rewarmSteps, warmupSteps - step), moreSteps);
          const before = rates[step - 1]!;
          expect(extended.length).toBe(step + moreSteps);
          expect(extended.slice(0, step)).toEqual(rates.slice(0, step));
          if (rise > 0) expect(extended[step - 1 + rise]).toBeCloseTo(1, 12);
          if (rise === 0) expect(extended[step]!).toBeLessThanOrEqual(before + 1e-12);
          const lowest = Math.min(...extended.slice(step + rise));
          expect(lowest).toBeGreaterThanOrEqual(Math.min(minimum, before) - 1e-12);
        },
      ),
    );
  });
});

describe('wsd', () => {
  it('stays at the peak until its decay', () => {
    const rates = ratesOf(createSettings({ schedule: 'wsd' }));
    expect(rates.slice(warmupSteps - 1, 80)).toEqual(Array<number>(71).fill(1));
  });
});

describe('decayFrom', () => {
  it('decays over the decay fraction of the run by default', () => {
    expect(stepsOf(decayFrom(createSettings({ schedule: 'wsd' }), 40))).toBe(60);
  });

  it('replaces the whole schedule before the first step', () => {
    const decaying = decayFrom(createSettings(), 0, 30);
    expect(stepsOf(decaying)).toBe(30);
    expect(learningRate(decaying, warmupSteps)).toBe(1);
    expect(learningRate(decaying, 30)).toBeCloseTo(minimum, 12);
  });
});

describe('extend', () => {
  it('removes a decay that begins after the step it extends from', () => {
    const decaying = decayFrom(createSettings({ schedule: 'constant' }), 50, 10);
    const extended = extend(decaying, 40, 900, 0);
    expect(isDecaying(extended)).toBe(false);
    expect(ratesOf(extended).slice(warmupSteps)).toEqual(Array<number>(80).fill(1));
  });

  it('makes a run at a constant rate the beginning of one that decays, with or without a second warmup', () => {
    const probe = createSettings({ schedule: 'constant', tokens: 400 });
    const steps = stepsOf(probe);
    const longer = extend(probe, steps, 600, 0, 'constant');
    for (const rewarmSteps of [0, 20]) {
      const run = extend(longer, 60, 1600, rewarmSteps, 'wsd');
      const rates = ratesOf(run);
      expect(rates.slice(0, steps)).toEqual(ratesOf(probe));
      // The last fifth of the 100 steps that were added.
      expect(rates.slice(warmupSteps - 1, 140)).toEqual(Array<number>(131).fill(1));
      expect(rates[140]!).toBeLessThan(1);
      expect(rates.at(-1)).toBeCloseTo(minimum, 12);
    }
  });
});
