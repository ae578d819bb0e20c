import { describe, expect, it } from 'vitest';
import { deriveKey, normalAt } from '../../src-main/base/random.ts';
import {
  compareSlopes,
  type GrownCurve,
  type LossCurve,
  type SlopesAtLoss,
} from '../../src-main/cost/slope-comparison.ts';

const tokensPerStep = 500;
const noise = 0.05;
/** A model of the grown size, trained from the start, and minus its derivative. */
const lossAt = (t: number): number => 2 + 6 * t ** -0.5;
const fallAt = (t: number): number => 3 * t ** -1.5;

function createCurve(count: number, lossOf: (t: number) => number, seed = 1, warmup = 0): LossCurve {
  const key = deriveKey(seed, 'noise');
  const steps = Array.from({ length: count }, (_, i) => i + 1);
  return {
    steps,
    losses: steps.map((t) => lossOf(t) + noise * normalAt(key, t)),
    warmup,
    tokensPerStep,
  };
}
const fromStart = createCurve(4000, lossAt);

/** A model that has grown where the other was after `from` steps, and learns `speed` times as fast as it. */
const growAt = (from: number, { speed = 1, count = 1200, seed = 2 } = {}): GrownCurve => ({
  ...createCurve(count, (t) => lossAt(from + speed * t), seed),
  tokensBefore: 2 * 800 * tokensPerStep,
});
const compare = (grown: GrownCurve, other = fromStart): SlopesAtLoss => {
  const result = compareSlopes(grown, other);
  expect(result.type).toBe('compared');
  return result as SlopesAtLoss;
};
const perMillion = 1e6 / tokensPerStep;

describe('compareSlopes', () => {
  it('takes both slopes at the same loss, with bands around the true slopes', () => {
    const { loss, grown, other } = compare(growAt(800));
    // The slope after the growth is that over half of the tokens before it, 800 steps, without the first 160.
    expect(grown.tokens).toBe(480.5 * tokensPerStep);
    expect(Math.abs(loss - lossAt(1280))).toBeLessThan(0.02);
    expect(Math.abs(other.tokens / tokensPerStep / 1280 - 1)).toBeLessThan(0.2);
    const truth = perMillion * fallAt(1280);
    for (const { fall, low, high } of [grown, other]) {
      expect(low).toBeLessThan(truth);
      expect(high).toBeGreaterThan(truth);
      expect(high - low).toBeLessThan(fall);
    }
  });

  it('tells apart at most 4 % of pairs on the same curve, neither side more often', () => {
    const counts = { faster: 0, slower: 0, 'not distinguishable': 0 };
    for (const exponent of [0.2, 0.5, 1])
      for (const tokensBefore of [400 * tokensPerStep, 2000 * tokensPerStep])
        for (let seed = 0; seed < 100; seed++) {
          const curveOf = (t: number): number => 2 + 6 * t ** -exponent;
          const grown = createCurve(1500, (t) => curveOf(700 + t), 1000 + seed);
          const other = createCurve(4000, curveOf, 5000 + seed);
          const result = compareSlopes({ ...grown, tokensBefore }, other);
          if (result.type === 'compared') counts[result.verdict]++;
        }
    expect(counts['not distinguishable']).toBeGreaterThan(540);
    expect(counts.faster + counts.slower).toBeLessThan(24);
    expect(Math.abs(counts.faster - counts.slower)).toBeLessThan(12);
  });

  it('finds a grown model that learns faster, and one that learns slower', () => {
    for (let seed = 10; seed < 20; seed++) {
      expect(compare(growAt(600, { speed: 5, seed })).verdict).toBe('faster');
      expect(compare(growAt(600, { speed: 0, seed })).verdict).toBe('slower');
    }
  });

  it('counts in tokens, whatever the batches of the two runs are', () => {
    const double = 2 * tokensPerStep;
    const one = compare(growAt(800));
    const [grown, other] = [growAt(800), fromStart].map((curve) => ({ ...curve, tokensPerStep: double }));
    const two = compare({ ...grown!, tokensBefore: 2 * growAt(800).tokensBefore }, other!);
    for (const side of ['grown', 'other'] as const) {
      expect(two[side].fall).toBeCloseTo(one[side].fall / 2, 9);
      expect(two[side].tokens).toBe(2 * one[side].tokens);
    }
    // Twice the tokens a step, and half the steps.
    const large = { ...createCurve(2000, (t) => lossAt(2 * t)), tokensPerStep: double };
    const mixed = compare(growAt(800), large);
    expect(mixed.verdict).toBe('not distinguishable');
    expect(Math.abs(mixed.other.tokens / one.other.tokens - 1)).toBeLessThan(0.2);
  });

  it('does not take a loss in the warmup for one that was reached', () => {
    const dip = (t: number): number => (t <= 100 ? 0.1 : lossAt(t));
    const { other } = compare(growAt(800), createCurve(4000, dip, 3, 100));
    expect(other.tokens / tokensPerStep).toBeGreaterThan(900);
  });

  it('refuses another run that never reaches the loss, and names its lowest', () => {
    const result = compareSlopes(growAt(3000), createCurve(1000, lossAt));
    expect(result).toMatchObject({ type: 'never reached' });
    const { loss, lowest } = result as Extract<typeof result, { type: 'never reached' }>;
    expect(lowest).toBeGreaterThan(loss);
    expect(Math.abs(lowest - lossAt(1000))).toBeLessThan(0.1);
    expect(compareSlopes(growAt(800), createCurve(0, lossAt)).type).toBe('never reached');
  });

  it('refuses too few steps: after the growth, and before the other run reaches the loss', () => {
    expect(compareSlopes(growAt(800, { count: 60 }), fromStart)).toEqual({
      type: 'grown too short',
      steps: 60,
      needed: 80,
    });
    const low = createCurve(1000, (t) => 1 + 0.1 * t ** -0.5);
    expect(compareSlopes(growAt(800), low)).toMatchObject({ type: 'reached too early', steps: 250 });
  });
});
