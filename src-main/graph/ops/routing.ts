/** @file Choosing experts: which entries of a row are among its largest, and the weights of those alone. */
import { add, mul } from './elementwise.ts';
import { constantBy, emitOne, type Op, type Value } from '../graph.ts';
import { and, cast, equal, greater, less, or, where } from './logic.ts';
import { unsqueeze } from './movement.ts';
import { mean, sum } from './reduce.ts';
import { isFloat } from '../shapes.ts';
import { softmax } from './softmax.ts';

/**
 * Which entries of the last axis are among its `k` largest; of equal ones those that come first, on every
 * provider. An entry is chosen if fewer than `k` stand before it in
 * falling order: comparisons of all pairs, whose cost is nothing beside the experts that are read.
 */
export const Top: Op<{ readonly k: number }> = {
  name: 'Top',
  onnx: null,
  grad: null,
  infer: ([x], { k }) =>
    isFloat(x!) && Number.isInteger(k) && k >= 1 && k <= (x!.shape.at(-1) ?? 0)
      ? [{ dtype: 'bool', shape: x!.shape }]
      : 'not a float with so many entries',
  lower: ([x], { k }) => {
    const n = x!.shape.at(-1)!;
    const own = unsqueeze(x!, [-1]);
    const other = unsqueeze(x!, [-2]);
    const earlier = constantBy(`earlier ${n}`, 'bool', [n, n], () =>
      Uint8Array.from({ length: n * n }, (_, i) => (i % n < Math.floor(i / n) ? 1 : 0)),
    );
    return [less(sum(cast(or(greater(other, own), and(equal(other, own), earlier)), 'float32'), [-1]), k)];
  },
};

/** Which entries of the last axis are among its `k` largest. */
export const top = (x: Value, k: number): Value => emitOne(Top, [x], { k });

/** Far below any logit, and finite. */
const unseen = -1e30;

/**
 * Weights [..., experts] of the `k` experts whose logits are largest, zero for all others: their softmax
 * among themselves where weights `sum` to one, else their share of the softmax over all.
 */
export function route(logits: Value, k: number, sums: boolean): Value {
  const chosen = top(logits, k);
  return sums ? softmax(where(chosen, logits, unseen)) : where(chosen, softmax(logits), 0);
}

/**
 * How unevenly tokens are spread over experts (Fedus et al. 2021): experts × Σ share of tokens that choose an
 * expert × its mean probability, over all layers' logits
 * [..., experts] together; `k` when even. Its gradient is that of the probabilities alone. A scalar.
 */
export function unevenness(logits: readonly Value[], k: number): Value {
  const experts = logits[0]!.shape.at(-1)!;
  const lead = logits[0]!.shape.slice(0, -1).map((_, i) => i);
  const over = (f: (x: Value) => Value): Value =>
    mul(logits.map((x) => mean(f(x), lead)).reduce(add), 1 / logits.length);
  return mul(
    sum(
      mul(
        over((x) => cast(top(x, k), x.dtype)),
        over((x) => softmax(x)),
      ),
    ),
    experts,
  );
}
