/** @file Routing of tokens to experts: the top-k mask, routing weights and the load-balancing loss. */
import { emitOne, lazyConstant, type Op, type Value } from '../graph.ts';
import { streamingCost } from '../op-cost.ts';
import { isFloat } from '../types.ts';
import { add, mul } from './elementwise.ts';
import { and, cast, equal, greater, less, or, where } from './logic.ts';
import { unsqueeze } from './movement.ts';
import { mean, sum } from './reduce.ts';
import { softmax } from './softmax.ts';

/**
 * Marks the `k` largest entries of the last axis; the first of equal entries, on every provider. An entry is
 * marked if fewer than `k` entries rank before it, which takes a comparison of all pairs: little work beside
 * that of the experts.
 */
const TopKMask: Op<{ readonly k: number }> = {
  name: 'TopKMask',
  cost: streamingCost,
  castPolicy: 'float32',
  onnx: null,
  infer: ([x], { k }) =>
    isFloat(x!) && Number.isInteger(k) && k >= 1 && k <= (x!.shape.at(-1) ?? 0)
      ? [{ dtype: 'bool', shape: x!.shape }]
      : 'not a float with at least k entries',
  backward: null,
  lower: ([x], { k }) => {
    const n = x!.shape.at(-1)!;
    const entry = unsqueeze(x!, [-1]);
    const other = unsqueeze(x!, [-2]);
    const isEarlier = lazyConstant(`earlier ${n}`, 'bool', [n, n], () =>
      Uint8Array.from({ length: n * n }, (_, i) => (i % n < Math.floor(i / n) ? 1 : 0)),
    );
    const ranksBefore = or(greater(other, entry), and(equal(other, entry), isEarlier));
    return [less(sum(cast(ranksBefore, 'float32'), [-1]), k)];
  },
};

export const routingOps = { TopKMask };

/** Marks the `k` largest entries of the last axis. */
export const topKMask = (x: Value, k: number): Value => emitOne(TopKMask, [x], { k });

/** Far below any logit, and finite. */
const maskedLogit = -1e30;

/**
 * Weights [..., experts] of the top `k` experts, zero for all others. With `normalize` they are the softmax of
 * the selected logits and sum to one (`norm_topk_prob` in transformers), without it their share of the softmax
 * over all experts.
 */
export function routingWeights(logits: Value, k: number, normalize: boolean): Value {
  const isSelected = topKMask(logits, k);
  return normalize ? softmax(where(isSelected, logits, maskedLogit)) : where(isSelected, softmax(logits), 0);
}

/**
 * The load-balancing loss of Fedus et al. (2021): experts × Σ over experts of the share of tokens that select
 * the expert × its mean probability, over the logits [..., experts] of all layers together. A scalar; `k` if
 * the load is even. Only the probabilities have a gradient.
 */
export function loadBalancingLoss(logits: readonly Value[], k: number): Value {
  const experts = logits[0]!.shape.at(-1)!;
  const tokenAxes = logits[0]!.shape.slice(0, -1).map((_, i) => i);
  const meanOverTokens = (f: (x: Value) => Value): Value =>
    mul(logits.map((x) => mean(f(x), tokenAxes)).reduce(add), 1 / logits.length);
  const selectedShare = meanOverTokens((x) => cast(topKMask(x, k), x.dtype));
  const probability = meanOverTokens((x) => softmax(x));
  return mul(sum(mul(selectedShare, probability)), experts);
}
