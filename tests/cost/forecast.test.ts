import { describe, expect, it } from 'vitest';
import { deriveKey, normalAt } from '../../src-main/base/random.ts';
import { bandAt, forecast, type Forecast } from '../../src-main/cost/forecast.ts';

/** A noisy power law, as a run would have it. */
function run(
  seen: number,
  { floor = 2, scale = 6, power = 0.5, noise = 0.05, seed = 1 } = {},
): { steps: number[]; losses: number[]; truth: (t: number) => number } {
  const truth = (t: number): number => floor + scale * t ** -power;
  const steps = Array.from({ length: seen }, (_, i) => i + 1);
  const key = deriveKey(seed, 'noise');
  return { steps, losses: steps.map((t) => truth(t) + noise * normalAt(key, t)), truth };
}

describe('forecast', () => {
  it('finds the end of a power law from half of it, and its band holds the truth', () => {
    const { steps, losses, truth } = run(1000);
    const found = forecast(steps, losses, { warmup: 20, steps: 2000 }) as Forecast;
    expect(found.type).toBe('forecast');
    expect(Math.abs(found.loss - truth(2000))).toBeLessThan(0.03);
    expect(found.low).toBeLessThanOrEqual(found.loss);
    expect(found.high).toBeGreaterThanOrEqual(found.loss);
  });

  it('holds the truth in most of twenty noisy runs, with a band that says something', () => {
    let held = 0;
    let told = 0;
    for (let seed = 0; seed < 20; seed++) {
      const { steps, losses, truth } = run(400, { seed, power: 0.3 + 0.03 * seed });
      const found = forecast(steps, losses, { warmup: 10, steps: 2000 });
      if (found.type !== 'forecast') continue;
      told++;
      const end = truth(2000);
      const slack = 0.01;
      if (end > found.low - slack && end < found.high + slack) held++;
      expect(found.high - found.low).toBeLessThan(0.6);
    }
    expect(told).toBeGreaterThan(14);
    expect(held / told).toBeGreaterThan(0.75);
  });

  it('narrows with more of the run', () => {
    const width = (seen: number): number => {
      const { steps, losses } = run(seen);
      const f = forecast(steps, losses, { warmup: 10, steps: 4000 }) as Forecast;
      return f.high - f.low;
    };
    expect(width(3000)).toBeLessThan(width(500));
  });

  it('is not drawn away by a spike', () => {
    const { steps, losses, truth } = run(1000);
    for (let i = 600; i < 606; i++) losses[i] = 30;
    expect(
      Math.abs((forecast(steps, losses, { warmup: 20, steps: 2000 }) as Forecast).loss - truth(2000)),
    ).toBeLessThan(0.06);
  });

  it.each([
    ['few steps', run(30), { warmup: 0, steps: 200 }, /40 steps/],
    ['a beginning', run(60), { warmup: 0, steps: 100_000 }, /0\.1 %/],
    [
      'a loss that rises',
      { steps: run(200).steps, losses: run(200).steps.map((t) => 2 + t / 100) },
      { warmup: 10, steps: 400 },
      /fall/,
    ],
  ] as const)('is too early for %s', (_, { steps, losses }, options, why) => {
    const found = forecast(steps, losses, options);
    expect(found.type).toBe('too early');
    expect('why' in found && found.why).toMatch(why);
  });

  it('says the same of the same run, and widens towards the end', () => {
    const { steps, losses } = run(500);
    const once = forecast(steps, losses, { warmup: 20, steps: 5000 }) as Forecast;
    expect(forecast(steps, losses, { warmup: 20, steps: 5000 })).toEqual(once);
    const width = (t: number): number => {
      const b = bandAt(once, t);
      return b.high - b.low;
    };
    expect(width(5000)).toBeGreaterThan(width(500));
  });
});
