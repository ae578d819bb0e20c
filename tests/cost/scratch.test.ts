import { expect, it } from 'vitest';
import { estimateFromScratch, lossAt, scalingLaws, tokensToReach } from '../../src-main/cost/scratch.ts';

it.each(scalingLaws)('inverts $name', (law) => {
  const loss = lossAt(law, 5e8, 1e10);
  expect(lossAt(law, 1e9, tokensToReach(law, 1e9, loss))).toBeCloseTo(loss, 9);
});

it('needs fewer tokens with a larger model, and never reaches a loss below the irreducible one', () => {
  expect(estimateFromScratch(5e8, 1e9, 20).tokens.likely).toBeLessThan(1e10);
  expect(tokensToReach(scalingLaws[0]!, 1e6, 1)).toBe(Infinity);
});
