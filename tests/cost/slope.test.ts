import { describe, expect, it } from 'vitest';
import { deriveKey, normalAt } from '../../src-main/base/random.ts';
import { isPlateau, slopeOf, type Slope } from '../../src-main/cost/slope.ts';

interface Simulated {
  readonly steps: readonly number[];
  readonly losses: readonly number[];
}

/** The losses of `count` steps: `lossAt` with normal noise. */
function simulate(count: number, lossAt: (t: number) => number, { noise = 0.05, seed = 1 } = {}): Simulated {
  const key = deriveKey(seed, 'noise');
  const steps = Array.from({ length: count }, (_, i) => i + 1);
  return { steps, losses: steps.map((t) => lossAt(t) + noise * normalAt(key, t)) };
}

const powerLaw =
  ({ asymptote = 2, scale = 6, exponent = 0.5 } = {}) =>
  (t: number): number =>
    asymptote + scale * t ** -exponent;
/** Minus the derivative of `powerLaw`. */
const fallAt = (t: number, { scale = 6, exponent = 0.5 } = {}): number =>
  scale * exponent * t ** (-exponent - 1);

const measure = ({ steps, losses }: Simulated, warmup = 0): Slope => slopeOf(steps, losses, { warmup })!;

describe('slopeOf', () => {
  it('is the derivative of a power law without noise', () => {
    for (const exponent of [0.2, 0.5, 1]) {
      const { fall } = measure(simulate(2000, powerLaw({ exponent }), { noise: 0 }));
      expect(Math.abs(fall / fallAt(2000, { exponent }) - 1)).toBeLessThan(0.05);
    }
  });

  it('has a band that covers the true slope in most of sixty noisy runs, and that is not wide', () => {
    let covered = 0;
    for (let seed = 0; seed < 60; seed++) {
      const exponent = 0.3 + 0.01 * seed;
      const { low, high } = measure(simulate(1500, powerLaw({ exponent }), { seed }));
      const truth = fallAt(1500, { exponent });
      if (low <= truth && truth <= high) covered++;
      expect(high - low).toBeLessThan(3 * fallAt(1500, { exponent: 0.5 }));
    }
    expect(covered).toBeGreaterThan(45);
  });

  it('has a narrower band with less noise', () => {
    const widthOf = (noise: number): number => {
      const { low, high } = measure(simulate(1000, powerLaw(), { noise }));
      return high - low;
    };
    expect(widthOf(0.01)).toBeLessThan(widthOf(0.1) / 2);
  });

  it('is negative where the loss rises', () => {
    const { fall, high } = measure(simulate(600, (t) => 3 + 0.002 * t));
    expect(fall).toBeCloseTo(-0.002, 3);
    expect(high).toBeLessThan(0);
  });

  it('is undefined until there are 64 steps after the warmup', () => {
    const { steps, losses } = simulate(80, powerLaw());
    expect(slopeOf(steps, losses, { warmup: 20 })).toBeUndefined();
    expect(slopeOf(steps, losses, { warmup: 16 })).toBeDefined();
    expect(slopeOf([], [], { warmup: 0 })).toBeUndefined();
  });

  it('leaves out the warmup, in which the loss follows another law', () => {
    const lossAt = (t: number): number => (t <= 200 ? 9 + t / 10 : powerLaw()(t));
    const { fall } = measure(simulate(2000, lossAt, { noise: 0 }), 200);
    expect(Math.abs(fall / fallAt(2000) - 1)).toBeLessThan(0.1);
  });
});

describe('isPlateau', () => {
  it('holds for a loss that is flat, and neither for one that falls nor for one that rises', () => {
    const threshold = 1e-4;
    expect(isPlateau(measure(simulate(4000, () => 3)), threshold)).toBe(true);
    expect(isPlateau(measure(simulate(4000, (t) => 3 - 2e-4 * t)), threshold)).toBe(false);
    expect(isPlateau(measure(simulate(4000, (t) => 3 + 2e-4 * t)), threshold)).toBe(false);
  });

  it('does not hold while the noise leaves the slope open', () => {
    expect(isPlateau(measure(simulate(100, () => 3, { noise: 0.3 })), 1e-4)).toBe(false);
  });

  it('begins, on a power law, near the step where its slope is the threshold', () => {
    const threshold = fallAt(1000);
    const reached = Array.from({ length: 40 }, (_, i) => 100 * (i + 1)).find((count) =>
      isPlateau(measure(simulate(count, powerLaw(), { noise: 0.02 })), threshold),
    )!;
    expect(reached).toBeGreaterThan(900);
    expect(reached).toBeLessThan(2000);
  });
});
