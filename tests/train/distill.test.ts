/** @file The divergence from the source beside arithmetic in float64, and its annealing. */
import { expect, it } from 'vitest';
import { graphOf, input } from '../../src-main/graph/ops/build.ts';
import { grad } from '../../src-main/graph/passes/grad.ts';
import { distillWeightAt, divergence } from '../../src-main/train/distill.ts';
import { evaluate, tensor } from '../support/evaluate.ts';

const logits = (rows: number, vocab: number, seed: number): Float64Array =>
  Float64Array.from({ length: rows * vocab }, (_, i) => 3 * Math.sin(seed + i * i));
const soft = (row: readonly number[], t: number): number[] => {
  const e = row.map((x) => Math.exp(x / t));
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map((x) => x / sum);
};

it.each([
  [1, 5, 5],
  [2.5, 5, 5],
  [1, 7, 5],
  [4, 9, 5],
])('at temperature %f, with %i tokens beside %i', (t, own, known) => {
  const rows = 3;
  const a = input('a', 'float32', [rows, own]);
  const b = input('b', 'float32', [rows, known]);
  const kl = divergence(a, b, t);
  const graph = graphOf({ kl, slope: grad(kl, [a])[0]! });
  const mine = logits(rows, own, 1);
  const theirs = logits(rows, known, 2);
  const [value, slope] = evaluate(Object.values(graph.outputs), {
    a: tensor([rows, own], mine),
    b: tensor([rows, known], theirs),
  });
  let expected = 0;
  for (let r = 0; r < rows; r++) {
    const p = soft([...theirs.slice(r * known, (r + 1) * known)], t);
    const q = soft([...mine.slice(r * own, r * own + known)], t);
    p.forEach((x, i) => {
      expected += (t * t * x * Math.log(x / q[i]!)) / rows;
    });
    q.forEach((x, i) => {
      expect(slope!.data[r * own + i]).toBeCloseTo((t * (x - p[i]!)) / rows, 9);
    });
  }
  expect(value!.data[0]).toBeCloseTo(expected, 9);
});

it('is nothing for equal predictions', () => {
  const a = input('a', 'float32', [2, 4]);
  const values = tensor([2, 4], logits(2, 4, 5));
  expect(evaluate([divergence(a, a, 2)], { a: values })[0]!.data[0]).toBeCloseTo(0, 12);
});

it('fades in a straight line to nothing', () => {
  expect([1, 6, 11, 12].map((step) => distillWeightAt(0.8, step, 10))).toEqual([
    0.8,
    expect.closeTo(0.4, 12),
    0,
    0,
  ]);
});
