/** @file The comparison with random weights: published values of the scaling laws, and the range of their fit. */
import { describe, expect, it } from 'vitest';
import {
  estimateFromScratch,
  fittedRange,
  lossAt,
  scalingLaws,
  tokensToReach,
  type ScalingLaw,
} from '../../src-main/cost/scratch.ts';

const [hoffmann, besiroglu] = scalingLaws as readonly [ScalingLaw, ScalingLaw];

/** The parameters with the lowest loss for a compute budget of 6·N·D FLOPs (Hoffmann et al. 2022, equation 4). */
function optimalParameters({ a, alpha, b, beta }: ScalingLaw, flops: number): number {
  const g = ((alpha * a) / (beta * b)) ** (1 / (alpha + beta));
  return g * (flops / 6) ** (beta / (alpha + beta));
}
const exponentOf = ({ alpha, beta }: ScalingLaw): number => beta / (alpha + beta);
/** The training compute of Gopher and of Chinchilla (Hoffmann et al. 2022). */
const gopherFlops = 5.76e23;

describe('the scaling laws', () => {
  it('have the published exponents of the compute-optimal model size', () => {
    expect(exponentOf(hoffmann)).toBeCloseTo(0.46, 2); // table 2, approach 3
    expect(exponentOf(besiroglu)).toBeCloseTo(0.5126, 4);
  });

  it('have the published optimum at the compute of Gopher', () => {
    // 40 billion parameters: figure 4 of Hoffmann et al. About 20 tokens per parameter: Besiroglu et al.
    expect(optimalParameters(hoffmann, gopherFlops) / 1e9).toBeCloseTo(40, 0);
    const parameters = optimalParameters(besiroglu, gopherFlops);
    const tokensPerParameter = gopherFlops / 6 / parameters ** 2;
    expect(tokensPerParameter).toBeGreaterThan(17);
    expect(tokensPerParameter).toBeLessThan(23);
  });

  it.each(scalingLaws)('are inverted: $name', (law) => {
    const loss = lossAt(law, 5e8, 1e10);
    expect(lossAt(law, 1e9, tokensToReach(law, 1e9, loss))).toBeCloseTo(loss, 9);
    expect(tokensToReach(law, 1e6, 1)).toBe(Infinity);
  });
});

describe('the tokens from random weights', () => {
  it('are a range over both laws, which is named with its sources', () => {
    const estimated = estimateFromScratch(410e6, 1.4e9, 300e9);
    if ('why' in estimated) throw new Error(estimated.why);
    const { tokens, assumption } = estimated;
    const all = scalingLaws.map((law) => tokensToReach(law, 1.4e9, lossAt(law, 410e6, 300e9)));
    expect(tokens.low).toBe(Math.min(...all));
    expect(tokens.high).toBe(Math.max(...all));
    expect(tokens.likely).toBeGreaterThan(tokens.low);
    expect(tokens.likely).toBeLessThan(tokens.high);
    // A larger model needs fewer tokens for the same loss.
    expect(tokens.high).toBeLessThan(300e9);
    expect(assumption).toMatch(/arXiv:2203\.15556.*arXiv:2404\.10102.*300 B tokens/);
  });

  // One refusal a line: the source, the grown model, the tokens of the source, the reason.
  // prettier-ignore
  const refused: readonly (readonly [number, number, number | undefined, RegExp])[] = [
    [410e6, 1.4e9, undefined, /tokens that the source was trained on is unknown/],
    [260e3, 1e6, 1e9, /the source has 260 k parameters.*70\.0 M to 16\.0 B parameters \(arXiv:2203\.15556\)/],
    [7e9, 65e9, 1e12, /the grown model has 65\.0 B parameters.*70\.0 M to 16\.0 B/],
    [410e6, 1.4e9, 2e12, /trained on 2\.00 T tokens.*5\.00 B to 500 B tokens/],
    [410e6, 1.4e9, 1e9, /trained on 1\.00 B tokens.*5\.00 B to 500 B tokens/],
    [100e6, 16e9, 5e9, /it would need .* tokens, and the scaling law was fitted to 5\.00 B/],
  ];
  it.each(refused)(
    'are not estimated for %s to %s parameters after %s tokens',
    (source, target, tokens, why) => {
      const estimated = estimateFromScratch(source, target, tokens);
      expect('why' in estimated ? estimated.why : '').toMatch(why);
    },
  );

  it('are estimated at both ends of the range', () => {
    const { parameters, tokens } = fittedRange;
    for (const [source, target, trained] of [
      [parameters.low, parameters.low, 1.001 * tokens.low],
      [parameters.high, parameters.high, 0.999 * tokens.high],
    ] as const) {
      const estimated = estimateFromScratch(source, target, trained);
      if ('why' in estimated) throw new Error(estimated.why);
      expect(estimated.tokens.likely / trained).toBeCloseTo(1, 6);
    }
  });
});
