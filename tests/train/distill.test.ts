import { describe, expect, it } from 'vitest';
import { graphOf, input } from '../../src-main/graph/ops/build.ts';
import { grad } from '../../src-main/graph/passes/grad.ts';
import { distillWeightAt, divergence } from '../../src-main/train/distill.ts';
import { evaluate, tensor } from '../support/evaluate.ts';

const makeLogits = (rows: number, vocab: number, seed: number): Float64Array =>
  Float64Array.from({ length: rows * vocab }, (_, i) => 3 * Math.sin(seed + i * i));

/** Softmax at a temperature. */
function softmax(logits: ArrayLike<number>, temperature: number): readonly number[] {
  const exponentials = Array.from(logits, (x) => Math.exp(x / temperature));
  const sum = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map((x) => x / sum);
}

describe('divergence', () => {
  it.each([
    [1, 5, 5],
    [2.5, 5, 5],
    [1, 7, 5],
    [4, 9, 5],
  ])('is the KL divergence at temperature %f of %i tokens from %i', (temperature, vocab, sourceVocab) => {
    const rows = 3;
    const model = input('model', 'float32', [rows, vocab]);
    const source = input('source', 'float32', [rows, sourceVocab]);
    const kl = divergence(model, source, temperature);
    const { outputs } = graphOf({ kl, gradient: grad(kl, [model])[0]! });
    const modelLogits = makeLogits(rows, vocab, 1);
    const sourceLogits = makeLogits(rows, sourceVocab, 2);
    const [value, gradient] = evaluate(Object.values(outputs), {
      model: tensor([rows, vocab], modelLogits),
      source: tensor([rows, sourceVocab], sourceLogits),
    });
    let expected = 0;
    for (let row = 0; row < rows; row++) {
      const first = row * vocab;
      const p = softmax(sourceLogits.slice(row * sourceVocab, (row + 1) * sourceVocab), temperature);
      const q = softmax(modelLogits.slice(first, first + sourceVocab), temperature);
      for (const [i, x] of p.entries()) {
        expected += (temperature * temperature * x * Math.log(x / q[i]!)) / rows;
        expect(gradient!.data[first + i]).toBeCloseTo((temperature * (q[i]! - x)) / rows, 9);
      }
    }
    expect(value!.data[0]).toBeCloseTo(expected, 9);
  });

  it('is 0 for equal predictions', () => {
    const model = input('model', 'float32', [2, 4]);
    const values = tensor([2, 4], makeLogits(2, 4, 5));
    expect(evaluate([divergence(model, model, 2)], { model: values })[0]!.data[0]).toBeCloseTo(0, 12);
  });
});

describe('distillWeightAt', () => {
  it('falls linearly to 0', () => {
    expect([1, 6, 11, 12].map((step) => distillWeightAt(0.8, step, 10))).toEqual([
      0.8,
      expect.closeTo(0.4, 12),
      0,
      0,
    ]);
  });
});
