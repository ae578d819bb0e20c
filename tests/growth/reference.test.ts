/** @file The float64 reference against logits of real transformers: what all other growth tests lean on. */
import { describe, expect, it } from 'vitest';
import { loadGolden, goldenCases } from '../support/golden.ts';
import { referenceLogits } from '../support/reference.ts';

describe('the reference agrees with transformers', () => {
  it.each(goldenCases)('%s', (name) => {
    const { config, weights, ids, logits } = loadGolden(name);
    const wide = new Map([...weights].map(([key, values]) => [key, Float64Array.from(values)]));
    const found = ids.flatMap((row) => [...referenceLogits(config, wide, row)]);
    expect(found).toHaveLength(logits.length);
    expect(Math.max(...found.map((x, i) => Math.abs(x - logits[i]!)))).toBeLessThan(1e-5);
  });
});
