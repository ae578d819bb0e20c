/** @file Keeps the tokens that transformers keeps, and samples from what is left. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import {
  chooseToken,
  listProbabilities,
  penalizeRepetition,
  weighTokens,
  type Sampling,
} from '../../../src-main/engine/infer/sampling.ts';

interface Case {
  readonly settings: Sampling;
  readonly text: readonly number[];
  readonly logits: readonly number[];
  readonly probabilities: readonly number[];
}
const path = join(import.meta.dirname, '../../fixtures/transformers/sampling.json');
const { cases } = JSON.parse(readFileSync(path, 'utf8')) as { readonly cases: readonly Case[] };

for (const { settings, text, logits, probabilities } of cases)
  it(`gives tokens the probabilities of transformers with ${JSON.stringify(settings)}`, () => {
    const penalized = penalizeRepetition(Float32Array.from(logits), text, settings.repetitionPenalty);
    const weights = weighTokens(penalized, settings);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (const [i, probability] of probabilities.entries())
      expect(weights[i]! / total, `token ${i}`).toBeCloseTo(probability, 6);
  });

it('samples each token with the probability of its softmax', () => {
  const logits = Float32Array.of(0, Math.log(2), Math.log(5));
  const counts = [0, 0, 0];
  const choose = (temperature: number, u: number): number => chooseToken(logits, { temperature }, u);
  for (let i = 0; i < 8000; i++) counts[choose(1, (i + 0.5) / 8000)]!++;
  expect(counts).toEqual([1000, 2000, 5000]);
  expect(choose(0, 0)).toBe(2);
  for (let i = 0; i < 8000; i++) counts[choose(0.5, (i + 0.5) / 8000)]!--;
  expect(counts[0]).toBeGreaterThan(700); // at a lower temperature, unlikely tokens become rarer
  expect(choose(1, 1 - 2 ** -53)).toBe(2);
});

it('applies the repetition penalty to greedy decoding too', () => {
  const logits = Float32Array.of(1, 2, 2.2);
  expect(chooseToken(logits, { temperature: 0, repetitionPenalty: 1.5 }, 0, [2])).toBe(1);
  expect(chooseToken(logits, { temperature: 0 }, 0, [2])).toBe(2);
});

it('keeps one token whatever the limits are', () => {
  const logits = Float32Array.of(0, 3, 1);
  for (const limit of [{ topK: 1 }, { topP: 1e-9 }, { minP: 1 }])
    expect(
      [...weighTokens(logits, { temperature: 1, ...limit })].filter((weight) => weight > 0),
    ).toHaveLength(1);
});

it('lists the most likely tokens in order, with the probabilities of the softmax', () => {
  const logits = Float32Array.of(0, Math.log(2), Math.log(5), 0);
  const { probability, top } = listProbabilities(logits, 0, 2);
  expect(probability).toBeCloseTo(1 / 9, 6);
  expect(top.map(({ token }) => token)).toEqual([2, 1]);
  expect(top.map((one) => one.probability)).toEqual([expect.closeTo(5 / 9, 6), expect.closeTo(2 / 9, 6)]);
  expect(listProbabilities(logits, 3, 9).top.map(({ token }) => token)).toEqual([2, 1, 0, 3]);
});
