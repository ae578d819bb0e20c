/**
 * @file A graph that compares the logits of two models. It reduces them to a few numbers per position, so that a
 * million positions need no more memory than a batch.
 */
import {
  cast,
  concat,
  constant,
  equal,
  exp,
  gatherElements,
  greater,
  lazyConstant,
  logSoftmax,
  max,
  mul,
  neg,
  reduceMax,
  slice,
  sub,
  sum,
  sumSquares,
  unsqueeze,
  where,
  type Value,
} from '../graph/ops/build.ts';

/** Edges of the histogram of logit differences: powers of ten from rounding errors up to whole logits. */
export const histogramEdges: readonly number[] = [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10];

/**
 * What is computed at each position, in this order, followed by the number of differences above each edge. With
 * δ the grown model's logit minus the source's and p the source's probability, over the source's tokens:
 * `maxLogit` is max |δ|, `moment1` to `moment3` are Σ p·δ, Σ p·δ² and Σ p·δ³, `kl` is Σ p·(log p − log q), and
 * `squares` is the sum of the squared source logits. `newTokenShare` is the probability of the other tokens.
 */
export const statistics = [
  'maxLogit',
  'squares',
  'moment1',
  'moment2',
  'moment3',
  'kl',
  'lossSource',
  'lossGrown',
  'topSource',
  'topGrown',
  'newTokenShare',
] as const;
export type Statistic = (typeof statistics)[number];

/** Columns of the result of `compareLogits`. */
export const statisticCount = statistics.length + histogramEdges.length;

/**
 * Statistics [rows, statisticCount] of logits [rows, vocab] of the source and of the grown model, whose first
 * tokens are those of the source. `next` [rows] are the tokens that follow.
 */
export function compareLogits(source: Value, grown: Value, next: Value): Value {
  const [, vocab] = source.shape as [number, number];
  const logP = logSoftmax(source, 1);
  const logQ = logSoftmax(grown, 1);
  const shared = (x: Value): Value => (x.shape[1] === vocab ? x : slice(x, 1, 0, vocab));
  const p = exp(logP);
  const delta = sub(shared(grown), source);
  const distance = max(delta, neg(delta));
  const weighted = mul(p, delta);
  const weightedSquare = mul(weighted, delta);
  const columns: Readonly<Record<Statistic, Value>> = {
    maxLogit: reduceMax(distance, [1]),
    squares: sumSquares(source, [1]),
    moment1: sum(weighted, [1]),
    moment2: sum(weightedSquare, [1]),
    moment3: sum(mul(weightedSquare, delta), [1]),
    kl: sum(mul(p, sub(logP, shared(logQ))), [1]),
    lossSource: lossOf(logP, next),
    lossGrown: lossOf(logQ, next),
    topSource: firstLargest(source),
    topGrown: firstLargest(grown),
    newTokenShare: shareOfNewTokens(logQ, vocab),
  };
  const above = histogramEdges.map((edge) => sum(cast(greater(distance, edge), 'float32'), [1]));
  return concat(
    [...statistics.map((name) => columns[name]), ...above].map((column) => unsqueeze(column, [-1])),
    1,
  );
}

/** −log p of the next token [rows], as the cross entropy computes it. */
function lossOf(logProbabilities: Value, next: Value): Value {
  const picked = gatherElements(logProbabilities, unsqueeze(next, [-1]), 1);
  return neg(sum(picked, [1]));
}

/** Index of the largest entry of each row, the first of equal ones, as a float [rows]. */
function firstLargest(x: Value): Value {
  const [, size] = x.shape as [number, number];
  const fromEnd = lazyConstant(`from end ${size}`, 'float32', [size], () =>
    Float32Array.from({ length: size }, (_, i) => size - i),
  );
  const isLargest = equal(x, reduceMax(x, [1], { keepdim: true }));
  return sub(size, reduceMax(where(isLargest, fromEnd, 0), [1]));
}

/** Probability [rows] of the tokens from `vocab` on. */
function shareOfNewTokens(logQ: Value, vocab: number): Value {
  const [rows, size] = logQ.shape as [number, number];
  if (size === vocab) return constant(Array<number>(rows).fill(0));
  return sum(exp(slice(logQ, 1, vocab, size)), [1]);
}
