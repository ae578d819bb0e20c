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
  trainingDefaults,
  trainingOptions,
  type Schedule,
  type TrainingSettings,
} from '../../src-main/train/settings.ts';

const of = (more: Partial<TrainingSettings> = {}): TrainingSettings => ({
  ...trainingDefaults,
  microBatch: 2,
  contextLength: 5,
  gradAccum: 1,
  tokens: 1000,
  lr: 1,
  warmupSteps: 10,
  minLrRatio: 0.1,
  decayFraction: 0.2,
  ...more,
});
const curve = (s: TrainingSettings, to = stepsOf(s), from = 1): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => learningRate(s, from + i));
const choices = trainingOptions.find((o) => o.id === 'schedule');
const schedules = choices?.kind === 'choice' ? choices.choices.map((c) => c.value as Schedule) : [];

describe.each(schedules)('%s', (schedule) => {
  const s = of({ schedule });
  const all = curve(s);
  it('warms up linearly to the peak and ends at the minimum unless it is constant', () => {
    expect(all.slice(0, 10)).toEqual(Array.from({ length: 10 }, (_, i) => (i + 1) / 10));
    expect(all.at(-1)).toBeCloseTo(schedule === 'constant' ? 1 : 0.1, 12);
    for (let i = 10; i < all.length; i++) expect(all[i]!).toBeLessThanOrEqual(all[i - 1]! + 1e-12);
  });
  it('decays from any step without a jump and ends there', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 99 }), fc.integer({ min: 1, max: 60 }), (at, steps) => {
        const after = decayFrom(s, at, steps);
        const falling = curve(after, at + steps, at + 1);
        expect([stepsOf(after), isDecaying(s), isDecaying(after)]).toEqual([at + steps, false, true]);
        expect(curve(after, at)).toEqual(all.slice(0, at));
        expect(falling.at(-1)).toBeCloseTo(Math.min(0.1, all[at - 1]!), 12);
        const stride = (all[at - 1]! - falling.at(-1)!) / steps;
        falling.forEach((rate, i) => {
          expect(rate).toBeCloseTo(all[at - 1]! - stride * (i + 1), 12);
        });
      }),
    );
  });
  it('can be extended from any step: earlier rates stay, and the rate continues or rises to the peak again', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 2, max: 200 }),
        fc.integer({ min: 0, max: 30 }),
        (at, more, rewarm) => {
          const after = extend(s, at, (at + more) * tokensPerStep(s), rewarm);
          const rates = curve(after);
          const rise = Math.min(Math.max(rewarm, 10 - at), more);
          expect(rates.length).toBe(at + more);
          expect(rates.slice(0, at)).toEqual(all.slice(0, at));
          if (rise > 0) expect(rates[at - 1 + rise]).toBeCloseTo(1, 12);
          if (rise === 0) expect(rates[at]!).toBeLessThanOrEqual(all[at - 1]! + 1e-12);
          expect(Math.min(...rates.slice(at + rise))).toBeGreaterThanOrEqual(
            Math.min(0.1, all[at - 1]!) - 1e-12,
          );
        },
      ),
    );
  });
});

it('wsd stays at the peak until the decay', () => {
  expect(curve(of({ schedule: 'wsd' })).slice(9, 80)).toEqual(Array<number>(71).fill(1));
});
it('decays over the decay fraction by default', () => {
  expect(stepsOf(decayFrom(of({ schedule: 'wsd' }), 40))).toBe(60);
});
it('a decay requested before the first step replaces the schedule', () => {
  const after = decayFrom(of(), 0, 30);
  expect([stepsOf(after), learningRate(after, 10), learningRate(after, 30)]).toEqual([
    30,
    1,
    expect.closeTo(0.1, 12),
  ]);
});
it('an extension from before a decay removes the decay', () => {
  const fell = decayFrom(of({ schedule: 'constant' }), 50, 10);
  const longer = extend(fell, 40, 900, 0);
  expect(isDecaying(longer)).toBe(false);
  expect(curve(longer).slice(10)).toEqual(Array<number>(80).fill(1));
});
