/** @file Vocabulary growth: what new tokens take of the probability, against the bound in docs/methods.md. */
import { describe, expect, it } from 'vitest';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import { familyById } from '../../../src-main/model/families/index.ts';
import { referenceLogits } from '../../support/reference.ts';
import { drawTokens, growWeights, makeRequest, makeTinyModel, type TinyModel } from '../tiny-model.ts';
import { familyVariants } from '../variants/index.ts';

const newTokens = 7;

const logSumExp = (x: ArrayLike<number>, start: number, count: number): number => {
  let top = -Infinity;
  for (let i = 0; i < count; i++) top = Math.max(top, x[start + i]!);
  let sum = 0;
  for (let i = 0; i < count; i++) sum += Math.exp(x[start + i]! - top);
  return top + Math.log(sum);
};

/** The largest KL divergence of a position from source to grown model, over the whole softmax. */
function maxKl(source: TinyModel, rows: string): number {
  const vocab = source.dims['vocab']!;
  const plan = planGrowth(source, makeRequest('vocab', { vocab: vocab + newTokens }, { rows }));
  const tokens = drawTokens(vocab);
  const before = referenceLogits(source.config, source.weights, tokens);
  const after = referenceLogits(plan.config, growWeights(plan, source.weights), tokens);
  const grownVocab = vocab + newTokens;
  // Old logits stay, so the divergence is the growth of the softmax's denominator.
  return Math.max(
    ...tokens.map(
      (_, t) => logSumExp(after, t * grownVocab, grownVocab) - logSumExp(before, t * vocab, vocab),
    ),
  );
}

function hasSoftcap({ family, settings }: TinyModel): boolean {
  const { softcap } = familyById(family).head;
  return softcap !== undefined && typeof settings[softcap] === 'number';
}

describe.each(Object.entries(familyVariants))('%s', (_, config) => {
  const source = makeTinyModel(config);
  const bound = Math.log1p(newTokens / source.dims['vocab']!);

  it('changes probabilities with mean rows by at most log(1 + K/V), unless logits have a softcap', () => {
    const kl = maxKl(source, 'mean');
    expect(kl).toBeGreaterThan(0);
    if (!hasSoftcap(source)) expect(kl).toBeLessThanOrEqual(bound + 1e-12);
  });
});

it('can change probabilities by more than log(1 + K/V) with a softcap', () => {
  const excesses = Object.values(familyVariants).flatMap((config) => {
    const source = makeTinyModel(config);
    return hasSoftcap(source) ? [maxKl(source, 'mean') - Math.log1p(newTokens / source.dims['vocab']!)] : [];
  });
  expect(Math.max(...excesses)).toBeGreaterThan(1e-4);
});
