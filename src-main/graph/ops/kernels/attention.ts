/**
 * @file FlashAttention (Dao 2023): causal attention that keeps no scores. The forward pass keeps the logarithm of
 * each row's sum, from which the backward pass computes the scores again.
 */
import { countOf, emit, lazyConstant, type Op, type TensorType, type Value } from '../../graph.ts';
import { inKernelDomain } from '../../kernels.ts';
import { streamingCost } from '../../op-cost.ts';
import { sameShape } from '../../shapes.ts';
import { isFloat } from '../../types.ts';
import { addMask } from '../decoder.ts';
import { add, exp, log, mul, square, sub, tanh } from '../elementwise.ts';
import { equal, where } from '../logic.ts';
import { matmul } from '../matmul.ts';
import { reshape, transpose } from '../movement.ts';
import { reduceMax, sum } from '../reduce.ts';
import { exact, stored } from './float32.ts';

export type FlashAttrs = {
  readonly queryHeads: number;
  readonly keyHeads: number;
  readonly scale: number;
  /** A position attends to itself and the `window - 1` positions before it; 0: to all before it. */
  readonly window: number;
  /** Bounds scores to softcap · tanh(score / softcap); 0: does not. */
  readonly softcap: number;
};

const keepdim = { keepdim: true } as const;
const lastAxis = [-1];
const maskedScore = -1e30;

const perHead = (q: TensorType, heads: number): TensorType => ({
  dtype: 'float32',
  shape: [q.shape[0]!, heads, q.shape[1]!],
});

/** Whether q [batch, seq, queryHeads × d], k and v [batch, seq, keyHeads × d] and documents [batch, seq] fit. */
function fits(
  [q, k, v, documents]: readonly (TensorType | undefined)[],
  { queryHeads, keyHeads }: FlashAttrs,
): boolean {
  const [batch, seq, width] = q!.shape as [number, number, number];
  return (
    isFloat(q!) &&
    q!.shape.length === 3 &&
    [k, v].every((x) => x!.dtype === q!.dtype && sameShape(x!.shape, k!.shape)) &&
    sameShape(k!.shape.slice(0, 2), [batch, seq]) &&
    queryHeads % keyHeads === 0 &&
    width % queryHeads === 0 &&
    width / queryHeads === k!.shape[2]! / keyHeads &&
    (!documents || (documents.dtype === 'int32' && sameShape(documents.shape, [batch, seq])))
  );
}

/** Pairs of a query and a key that it attends to, without document masks: what the kernels compute. */
function countPairs(seq: number, window: number): number {
  const reach = window === 0 ? seq : Math.min(window, seq);
  return (reach * (reach + 1)) / 2 + (seq - reach) * reach;
}

/** How many blocks share the columns of a head in the gradients of keys and values. Each computes the scores anew. */
export const keyGradientParts = (head: number): 1 | 2 => (head > 128 ? 2 : 1);

/** The cost of matrix products over the attended pairs; `products` is their number for a width of heads. */
const flashCost = (products: (head: number) => number, queryAt: number): Op<FlashAttrs>['cost'] => ({
  products: (inputs, _, { queryHeads, window }) => {
    const [batch, seq, width] = inputs[queryAt]!.shape as [number, number, number];
    const head = width / queryHeads;
    const flops = 2 * products(head) * batch * width * countPairs(seq, window);
    return { flops, smallestSide: Math.min(seq, head) };
  },
  extraPasses: 0,
  functions: 0,
});

/**
 * softmax(mask(softcap(scale · q kᵀ))) v [batch, seq, queryHeads × d] and log Σ exp of each row [batch, queryHeads,
 * seq]. `queryHeads / keyHeads` neighbouring query heads share a key head; with documents [batch, seq] a position
 * attends only to its own document.
 */
const FlashAttention: Op<FlashAttrs> = {
  name: 'FlashAttention',
  kernel: 'attention',
  cost: flashCost(() => 2, 0),
  castPolicy: 'low',
  onnx: inKernelDomain,
  infer: (inputs, attrs) =>
    fits(inputs, attrs) ? [inputs[0]!, perHead(inputs[0]!, attrs.queryHeads)] : 'q, k and v do not fit',
  backward: (g, { inputs, outputs: [output, logSum], attrs }) => {
    const [q, k, v, ...documents] = inputs as [Value, Value, Value];
    const [delta] = emit(AttentionDelta, [g, output!], { queryHeads: attrs.queryHeads });
    const read = [g, q, k, v, logSum!, delta!, ...documents];
    const [dq] = emit(FlashQueryGradient, read, attrs);
    const [dk, dv] = emit(FlashKeyGradient, read, attrs);
    return [dq!, dk!, dv!, ...documents.map(() => null)];
  },
  lower: (inputs, attrs) => {
    const [q, k, v, documents] = inputs as [Value, Value, Value, Value?];
    const { scores } = scoresOf(q, k, documents, attrs);
    const largest = reduceMax(scores, lastAxis, keepdim);
    const logSum = add(log(sum(exp(sub(scores, largest)), lastAxis, keepdim)), largest);
    const p = exp(sub(scores, logSum));
    const output = joinHeads(matmul(p, headsOf(exact(v), attrs.keyHeads, attrs.keyHeads)), q);
    return [stored(output, q), reshape(logSum, perHead(q, attrs.queryHeads).shape)];
  },
};

/** x [batch, seq, heads × d] with the heads of a group as rows: [batch, keyHeads, heads / keyHeads × seq, d]. */
function headsOf(x: Value, heads: number, keyHeads: number): Value {
  const [batch, seq] = x.shape as [number, number];
  const split = reshape(x, [batch, seq, heads, -1]);
  return reshape(transpose(split, [0, 2, 1, 3]), [batch, keyHeads, (heads / keyHeads) * seq, -1]);
}

/** The inverse of `headsOf`: [batch, keyHeads, rows, d] in the shape of `like` [batch, seq, heads × d]. */
function joinHeads(x: Value, like: Value): Value {
  const [batch, seq, width] = like.shape as [number, number, number];
  const d = x.shape.at(-1)!;
  return reshape(transpose(reshape(x, [batch, width / d, seq, d]), [0, 2, 1, 3]), like.shape);
}

/**
 * Scores [batch, keyHeads, group × seq, seq], masked, and the slope of the soft-cap at each, if there is one.
 */
function scoresOf(
  q: Value,
  k: Value,
  documents: Value | undefined,
  { queryHeads, keyHeads, scale, window, softcap }: FlashAttrs,
): { readonly scores: Value; readonly slope?: Value } {
  const keys = headsOf(exact(k), keyHeads, keyHeads);
  const raw = matmul(headsOf(exact(q), queryHeads, keyHeads), keys, { transB: true, alpha: scale });
  const t = softcap > 0 ? tanh(mul(raw, 1 / softcap)) : undefined;
  const bounded = t ? mul(t, softcap) : raw;
  const mask = maskOf(q, documents, window);
  return { scores: addMask(bounded, mask), ...(t ? { slope: sub(1, square(t)) } : {}) };
}

/** 0 where a position attends to another, far below any score elsewhere: [seq, seq] or [batch, seq, seq]. */
function maskOf(q: Value, documents: Value | undefined, window: number): Value {
  const [batch, seq] = q.shape as [number, number];
  const causal = lazyConstant(`flash mask ${seq} ${window}`, 'float32', [seq, seq], () =>
    Float32Array.from({ length: seq * seq }, (_, i) => {
      const distance = Math.floor(i / seq) - (i % seq);
      return distance < 0 || (window > 0 && distance >= window) ? maskedScore : 0;
    }),
  );
  if (!documents) return causal;
  const isSame = equal(reshape(documents, [batch, seq, 1]), reshape(documents, [batch, 1, seq]));
  return where(isSame, causal, maskedScore);
}

/** Row sums of g · output for each head: what the gradients of the softmax need of the output. */
const AttentionDelta: Op<{ readonly queryHeads: number }> = {
  name: 'AttentionDelta',
  kernel: 'attention',
  cost: streamingCost,
  castPolicy: 'promote',
  onnx: inKernelDomain,
  backward: null,
  infer: ([g, output], { queryHeads }) =>
    sameShape(g!.shape, output!.shape) && g!.dtype === output!.dtype && g!.shape[2]! % queryHeads === 0
      ? [perHead(g!, queryHeads)]
      : 'the gradient does not fit the output',
  lower: ([g, output], { queryHeads }) => {
    const [batch, seq] = g!.shape as [number, number];
    const products = reshape(mul(exact(g!), exact(output!)), [batch, seq, queryHeads, -1]);
    return [transpose(sum(products, lastAxis), [0, 2, 1])];
  },
};

/** The gradients of the scores, with p and the heads that they are made from. */
function scoreGradients(inputs: readonly Value[], attrs: FlashAttrs) {
  const [g, q, k, v, logSum, delta, documents] = inputs as [Value, Value, Value, Value, Value, Value, Value?];
  const { queryHeads, keyHeads } = attrs;
  const { scores, slope } = scoresOf(q, k, documents, attrs);
  const [batch, , rows] = scores.shape as [number, number, number, number];
  const column = [batch, keyHeads, rows, 1];
  const gradient = headsOf(exact(g), queryHeads, keyHeads);
  const p = exp(sub(scores, reshape(logSum, column)));
  const dp = matmul(gradient, headsOf(exact(v), keyHeads, keyHeads), { transB: true });
  const ds = mul(p, sub(dp, reshape(delta, column)));
  return { p, gradient, ds: slope ? mul(ds, slope) : ds };
}

const gradientsFit = (inputs: readonly TensorType[], attrs: FlashAttrs): boolean => {
  const [g, q, k, v, logSum, delta, documents] = inputs;
  const rows = perHead(q!, attrs.queryHeads).shape;
  return (
    fits([q, k, v, documents], attrs) &&
    sameShape(g!.shape, q!.shape) &&
    g!.dtype === q!.dtype &&
    [logSum, delta].every((x) => x!.dtype === 'float32' && sameShape(x!.shape, rows))
  );
};

/** The gradient of q, given g, q, k, v, the log sums, `AttentionDelta` and perhaps documents. */
const FlashQueryGradient: Op<FlashAttrs> = {
  name: 'FlashQueryGradient',
  kernel: 'attention',
  cost: flashCost(() => 3, 1),
  castPolicy: 'low',
  float32Inputs: [4, 5],
  onnx: inKernelDomain,
  backward: null,
  infer: (inputs, attrs) => (gradientsFit(inputs, attrs) ? [inputs[1]!] : 'the gradients do not fit'),
  lower: (inputs, attrs) => {
    const [, q, k] = inputs as [Value, Value, Value];
    const { ds } = scoreGradients(inputs, attrs);
    const keys = headsOf(exact(k), attrs.keyHeads, attrs.keyHeads);
    return [stored(joinHeads(matmul(ds, keys, { alpha: attrs.scale }), q), q)];
  },
};

/** The gradients of k and v; inputs as for `FlashQueryGradient`. */
const FlashKeyGradient: Op<FlashAttrs> = {
  name: 'FlashKeyGradient',
  kernel: 'attention',
  cost: flashCost((head) => 2 + 2 * keyGradientParts(head), 1),
  castPolicy: 'low',
  float32Inputs: [4, 5],
  onnx: inKernelDomain,
  backward: null,
  infer: (inputs, attrs) =>
    gradientsFit(inputs, attrs) ? [inputs[2]!, inputs[3]!] : 'the gradients do not fit',
  lower: (inputs, attrs) => {
    const [, q, k, v] = inputs as [Value, Value, Value, Value];
    const { p, gradient, ds } = scoreGradients(inputs, attrs);
    const queries = headsOf(exact(q), attrs.queryHeads, attrs.keyHeads);
    const dk = matmul(ds, queries, { transA: true, alpha: attrs.scale });
    const dv = matmul(p, gradient, { transA: true });
    return [stored(joinHeads(dk, k), k), stored(joinHeads(dv, v), v)];
  },
};

export const attentionKernelOps = {
  FlashAttention,
  AttentionDelta,
  FlashQueryGradient,
  FlashKeyGradient,
};

/** Head widths that the kernels have: multiples of 16 up to 128, and of 32 up to 256. */
const hasHead = (d: number): boolean => d % (d <= 128 ? 16 : 32) === 0 && d <= 256;

/** Whether the kernels compute attention with these queries and values, [..., d] and [..., e]. */
export const canFlash = (q: Value, v: Value): boolean => {
  const d = q.shape.at(-1)!;
  return d === v.shape.at(-1)! && hasHead(d) && countOf(q.shape) > 0;
};

/** Causal attention by kernels; see `FlashAttention` for the shapes. */
export const flashAttention = (
  q: Value,
  k: Value,
  v: Value,
  documents: Value | undefined,
  attrs: FlashAttrs,
): Value => emit(FlashAttention, documents ? [q, k, v, documents] : [q, k, v], attrs)[0]!;
