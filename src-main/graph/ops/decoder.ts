/**
 * @file The three pieces of a decoder whose gradients are much leaner than those of the operators they are
 * made of: attention, the RMS norm, rotary positions.
 */
import { add, mul, neg, reciprocal, sqrt, square, sub } from './elementwise.ts';
import { constant, constantBy, countOf, emit, emitOne, type Op, type Value } from '../graph.ts';
import { concat, reshape, split } from './movement.ts';
import { matmul } from './product.ts';
import { mean, sum } from './reduce.ts';
import { isFloat, sameShape } from '../shapes.ts';
import { softmax } from './softmax.ts';

/**
 * Where the scores [lead…, rows, keys] are parted for a mask [m, keys], or one for each entry of the first
 * axis [lead 0, m, keys]; and the mask as it fits there.
 */
export function masked(scores: Value, mask: Value): Value {
  const [m, keys] = mask.shape.slice(-2) as [number, number];
  const lead = scores.shape.slice(0, -2);
  const apart = [...lead, scores.shape.at(-2)! / m, m, keys];
  const fitted =
    mask.shape.length === 2
      ? mask
      : reshape(mask, [mask.shape[0]!, ...lead.slice(1).map(() => 1), 1, m, keys]);
  return reshape(add(reshape(scores, apart), fitted), scores.shape);
}

const last = [-1];
const keep = { keep: true } as const;
/** A gain that changes nothing, over the last axis. */
const ones = ({ dtype, shape }: Value): Value =>
  constantBy('ones', dtype, [shape.at(-1)!], () => new Float32Array(shape.at(-1)!).fill(1));

/**
 * softmax(scale · q kᵀ + mask) v, and the softmax itself: q [lead…, rows, d], k [lead…, keys, d], v [lead…,
 * keys, e], mask [m, keys] repeated over the rows, or [first of lead, m, keys].
 * Backward, the row sums of the softmax's gradient are taken from the output, where rows are short (Dao et
 * al. 2022, section 3.1).
 */
export const Attention: Op<{ readonly scale: number }> = {
  name: 'Attention',
  onnx: null,
  infer: ([q, k, v, mask]) => {
    const [rows, d] = q!.shape.slice(-2) as [number, number];
    const [keys, e] = v!.shape.slice(-2) as [number, number];
    const lead = q!.shape.slice(0, -2);
    const [m, columns] = mask!.shape.slice(-2) as [number, number];
    if (!isFloat(q!) || !sameShape(k!.shape, [...lead, keys, d]) || !sameShape(v!.shape, [...lead, keys, e]))
      return 'queries, keys and values do not fit';
    const fits =
      mask!.shape.length === 2 || (mask!.shape.length === 3 && lead.length > 0 && mask!.shape[0] === lead[0]);
    if (!fits || columns !== keys || rows % m !== 0) return 'the mask does not fit';
    return [
      { dtype: q!.dtype, shape: [...lead, rows, e] },
      { dtype: q!.dtype, shape: [...lead, rows, keys] },
    ];
  },
  grad: (g, { in: [q, k, v], out, outs: [, p], attrs: { scale } }) => {
    const ds = mul(p!, sub(matmul(g, v!, { transB: true }), sum(mul(g, out), last, keep)));
    return [
      matmul(ds, k!, { alpha: scale }),
      matmul(ds, q!, { transA: true, alpha: scale }),
      matmul(p!, g, { transA: true }),
      null,
    ];
  },
  lower: ([q, k, v, mask], { scale }) => {
    const p = softmax(masked(matmul(q!, k!, { transB: true, alpha: scale }), mask!));
    return [matmul(p, v!), p];
  },
  flops: ([q, k, v]) =>
    2 * countOf(q!.shape) * k!.shape.at(-2)! +
    2 * countOf(q!.shape.slice(0, -1)) * countOf(v!.shape.slice(-2)),
};

/** x / sqrt(mean(x²) + eps) over the last axis (Zhang and Sennrich 2019), and the factor. */
export const RmsNorm: Op<{ readonly eps: number }> = {
  name: 'RmsNorm',
  infer: ([x]) =>
    isFloat(x!) && x!.shape.length > 0
      ? [x!, { dtype: x!.dtype, shape: [...x!.shape.slice(0, -1), 1] }]
      : 'not a float with an axis',
  grad: (g, { out, outs: [, factor] }) => [mul(factor!, sub(g, mul(out, mean(mul(g, out), last, keep))))],
  onnx: ({ inputs: [x], attrs: { eps } }) => ({
    op: 'SimplifiedLayerNormalization',
    inputs: [x!, ones(x!)],
    attrs: { axis: -1, epsilon: { float: eps } },
  }),
  lower: ([x], { eps }) => {
    const factor = reciprocal(sqrt(add(mean(square(x!), last, keep), eps)));
    return [mul(x!, factor), factor];
  },
};

/**
 * Turns each pair (i, i + d/2) of every head of x [batch, seq, heads × d] by the angle whose cos and sin
 * [seq, d/2] are given (Su et al. 2021, the half-split form).
 * The gradient is turned back.
 */
export const Rotary: Op = {
  name: 'Rotary',
  infer: ([x, cos, sin]) => {
    const [seq, half] = cos!.shape as [number, number];
    return isFloat(x!) &&
      x!.shape.length === 3 &&
      cos!.shape.length === 2 &&
      sameShape(cos!.shape, sin!.shape) &&
      x!.shape[1] === seq &&
      x!.shape[2]! % (2 * half) === 0
      ? [x!]
      : 'the angles do not fit';
  },
  grad: (g, { in: [, cos, sin] }) => [rotate(g, cos!, neg(sin!)), null, null],
  onnx: ({ inputs: [x, cos, sin] }) => ({
    op: 'RotaryEmbedding',
    domain: 'com.microsoft',
    inputs: [x!, constant([0], 'int64'), cos!, sin!],
    attrs: {},
  }),
  lower: ([x, cos, sin]) => {
    const [batch, seq, width] = x!.shape as [number, number, number];
    const half = cos!.shape[1]!;
    const [c, s] = [cos!, sin!].map((t) => reshape(t, [seq, 1, half])) as [Value, Value];
    const [a, b] = split(reshape(x!, [batch, seq, width / (2 * half), 2 * half]), [half, half], -1) as [
      Value,
      Value,
    ];
    return [reshape(concat([sub(mul(a, c), mul(b, s)), add(mul(b, c), mul(a, s))], -1), x!.shape)];
  },
};

/** softmax(scale · q kᵀ + mask) v; see `Attention`. */
export const attend = (q: Value, k: Value, v: Value, mask: Value, scale: number): Value =>
  emit(Attention, [q, k, v, mask], { scale })[0]!;
export const rmsNormalize = (x: Value, eps: number): Value => emit(RmsNorm, [x], { eps })[0]!;
export const rotate = (x: Value, cos: Value, sin: Value): Value => emitOne(Rotary, [x, cos, sin], {});
