import { describe, expect, it } from 'vitest';
import {
  createReadingMeter,
  judgeReading,
  type ReadingMeasures,
} from '../../src-main/model/reading-check.ts';

describe('createReadingMeter', () => {
  const vocab = 4;

  it('measures loss, entropy and the frequencies of the tokens', () => {
    const meter = createReadingMeter(vocab);
    // Predictions 1/2, 1/4, 1/8, 1/8 at every position; large offsets cancel.
    const row = [1 / 2, 1 / 4, 1 / 8, 1 / 8].map((p) => Math.log(p) + 300);
    meter.add(Float32Array.from([row, row].flat()), [0, 3]);
    meter.add(Float32Array.from([row, row].flat()), [0, 1]);
    const { byPosition, ...measures } = meter.result();
    const expected = {
      tokens: 4,
      nonFinite: 0,
      loss: ((1 + 3 + 1 + 2) / 4) * Math.LN2,
      entropy: 1.75 * Math.LN2,
      uniform: Math.log(4),
      unigram: 1.5 * Math.LN2,
    };
    expect(byPosition).toBeNull();
    for (const [name, value] of Object.entries(expected))
      expect(measures[name as keyof typeof measures], name).toBeCloseTo(value, 4);
  });

  it('compares the ends of windows if there are enough of them', () => {
    const meter = createReadingMeter(vocab);
    const length = 64;
    const logits = new Float32Array(length * vocab);
    // Token 0 becomes less probable at the last 16 positions.
    for (let t = 0; t < length; t++) logits[t * vocab] = t >= length - 16 ? 0 : 10;
    for (let i = 0; i < 3; i++) meter.add(logits, new Int32Array(length));
    const { byPosition } = meter.result();
    expect(byPosition!.first).toBeLessThan(0.001);
    expect(byPosition!.last).toBeCloseTo(Math.log(4), 5);
  });

  it.each([NaN, Infinity])('counts positions with a logit of %s', (bad) => {
    const meter = createReadingMeter(vocab);
    meter.add(Float32Array.from([0, 0, 0, 0, 0, bad, 0, 0]), [0, 0]);
    expect(meter.result()).toMatchObject({ nonFinite: 1, tokens: 2 });
  });
});

describe('judgeReading', () => {
  const measures: ReadingMeasures = {
    tokens: 500,
    loss: 3,
    entropy: 2.8,
    uniform: 10,
    unigram: 5,
    byPosition: { first: 3.5, last: 2.9 },
    nonFinite: 0,
  };
  const verdictOf = (change: Partial<ReadingMeasures>): string =>
    judgeReading({ ...measures, ...change }).verdict;

  it('finds a loss plausible that the frequencies of the tokens cannot explain', () => {
    expect(judgeReading(measures)).toEqual({
      verdict: 'plausible',
      why: 'its loss 3.00 is below 5.00, which the frequencies of the tokens alone would give',
    });
    expect(verdictOf({ loss: 4.2 })).toBe('plausible');
    expect(verdictOf({ loss: 5 })).toBe('implausible');
  });

  it('recognises random weights by nearly uniform predictions', () => {
    expect(verdictOf({ loss: 10.4, entropy: 9.6 })).toBe('untrained-looking');
    expect(verdictOf({ loss: 10.4, entropy: 3 })).toBe('implausible');
  });

  it('finds a context implausible that harms, and predictions that are too sure', () => {
    expect(verdictOf({ byPosition: { first: 2.5, last: 3.1 } })).toBe('implausible');
    expect(verdictOf({ byPosition: { first: 2.5, last: 2.9 } })).toBe('plausible');
    expect(verdictOf({ byPosition: null })).toBe('plausible');
    expect(verdictOf({ entropy: 1.4 })).toBe('implausible');
  });

  it('finds logits that are not finite implausible', () => {
    expect(judgeReading({ ...measures, nonFinite: 1 }).why).toBe('it has logits that are not finite');
  });
});
