import { describe, expect, it } from 'vitest';
import { deriveKey, normalAt } from '../../src-main/base/random.ts';
import { bandAt, forecast, type Forecast } from '../../src-main/cost/forecast.ts';

/** The losses of a run: a power law with noise. `lossAt` is the law without noise. */
function simulateRun(
  stepCount: number,
  { asymptote = 2, scale = 6, exponent = 0.5, noise = 0.05, seed = 1 } = {},
): { steps: number[]; losses: number[]; lossAt: (t: number) => number } {
  const lossAt = (t: number): number => asymptote + scale * t ** -exponent;
  const steps = Array.from({ length: stepCount }, (_, i) => i + 1);
  const key = deriveKey(seed, 'noise');
  return { steps, losses: steps.map((t) => lossAt(t) + noise * normalAt(key, t)), lossAt };
}

describe('forecast', () => {
  it('predicts the end of a power law from half of it, within its band', () => {
    const { steps, losses, lossAt } = simulateRun(1000);
    const found = forecast(steps, losses, { warmup: 20, steps: 2000 }) as Forecast;
    expect(found.type).toBe('forecast');
    expect(Math.abs(found.loss - lossAt(2000))).toBeLessThan(0.03);
    expect(found.low).toBeLessThanOrEqual(found.loss);
    expect(found.high).toBeGreaterThanOrEqual(found.loss);
  });

  it('covers the final loss of most of twenty noisy runs with a narrow band', () => {
    let covered = 0;
    let forecasts = 0;
    for (let seed = 0; seed < 20; seed++) {
      const { steps, losses, lossAt } = simulateRun(400, { seed, exponent: 0.3 + 0.03 * seed });
      const found = forecast(steps, losses, { warmup: 10, steps: 2000 });
      if (found.type !== 'forecast') continue;
      forecasts++;
      const end = lossAt(2000);
      const slack = 0.01;
      if (end > found.low - slack && end < found.high + slack) covered++;
      expect(found.high - found.low).toBeLessThan(0.6);
    }
    expect(forecasts).toBeGreaterThan(14);
    expect(covered / forecasts).toBeGreaterThan(0.75);
  });

  it('has a narrower band after more steps', () => {
    const widthAfter = (stepCount: number): number => {
      const { steps, losses } = simulateRun(stepCount);
      const { low, high } = forecast(steps, losses, { warmup: 10, steps: 4000 }) as Forecast;
      return high - low;
    };
    expect(widthAfter(3000)).toBeLessThan(widthAfter(500));
  });

  it('is robust to a loss spike', () => {
    const { steps, losses, lossAt } = simulateRun(1000);
    for (let i = 600; i < 606; i++) losses[i] = 30;
    const { loss } = forecast(steps, losses, { warmup: 20, steps: 2000 }) as Forecast;
    expect(Math.abs(loss - lossAt(2000))).toBeLessThan(0.06);
  });

  it.each([
    ['few steps', simulateRun(30), { warmup: 0, steps: 200 }, /40 steps/],
    ['a small share of the run', simulateRun(60), { warmup: 0, steps: 100_000 }, /0\.1 %/],
    [
      'a rising loss',
      { steps: simulateRun(200).steps, losses: simulateRun(200).steps.map((t) => 2 + t / 100) },
      { warmup: 10, steps: 400 },
      /fall/,
    ],
  ] as const)('is too early for %s', (_, { steps, losses }, options, why) => {
    const found = forecast(steps, losses, options);
    expect(found.type).toBe('too early');
    expect('why' in found && found.why).toMatch(why);
  });

  it('is deterministic, with a band that is wider at later steps', () => {
    const { steps, losses } = simulateRun(500);
    const found = forecast(steps, losses, { warmup: 20, steps: 5000 }) as Forecast;
    expect(forecast(steps, losses, { warmup: 20, steps: 5000 })).toEqual(found);
    const widthAt = (t: number): number => {
      const { low, high } = bandAt(found, t);
      return high - low;
    };
    expect(widthAt(5000)).toBeGreaterThan(widthAt(500));
  });
});
