/** @file The float64 reference, by which growth is judged, has the logits of transformers. */
import { describe, expect, it } from 'vitest';
import { goldenCases, loadGolden } from '../support/golden.ts';
import { referenceLogits } from '../support/reference.ts';

describe('the reference implementation', () => {
  it.each(goldenCases)('has the logits of transformers: %s', (name) => {
    const { config, weights, ids, logits } = loadGolden(name);
    const float64 = new Map([...weights].map(([key, values]) => [key, Float64Array.from(values)]));
    const actual = ids.flatMap((row) => [...referenceLogits(config, float64, row)]);
    expect(actual).toHaveLength(logits.length);
    expect(Math.max(...actual.map((logit, i) => Math.abs(logit - logits[i]!)))).toBeLessThan(1e-5);
  });
});
