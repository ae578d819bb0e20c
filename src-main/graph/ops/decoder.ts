/**
 * @file Attention and rotary positions. As single operators they have much leaner gradients than the operators
 * they consist of.
 */
import { constant, countOf, emit, emitOne, lazyConstant, type Op, type Value } from '../graph.ts';
import { streamingCost } from '../op-cost.ts';
import { sameShape } from '../shapes.ts';
import { isFloat } from '../types.ts';
import { add, mul, neg, sub } from './elementwise.ts';
import { matmul } from './matmul.ts';
import { concat, reshape, split, transpose } from './movement.ts';
import { sum } from './reduce.ts';
import { softmax } from './softmax.ts';

/**
 * Adds an attention mask to scores [lead…, rows, keys]. The mask is [m, keys], repeated over the rows, or
 * [first of lead, m, keys], one mask for each entry of the first axis. A bias [1, lead but its first…, repeats, 1,
 * keys] is added for each head and key.
 */
export function addMask(scores: Value, mask: Value, bias?: Value): Value {
  const [m, keys] = mask.shape.slice(-2) as [number, number];
  const lead = scores.shape.slice(0, -2);
  const repeats = scores.shape.at(-2)! / m;
  const maskShape =
    mask.shape.length === 2 ? mask.shape : [mask.shape[0]!, ...lead.slice(1).map(() => 1), 1, m, keys];
  const fittedMask = reshape(mask, maskShape);
  const masked = add(reshape(scores, [...lead, repeats, m, keys]), fittedMask);
  return reshape(bias ? add(masked, bias) : masked, scores.shape);
}

const lastAxis = [-1];
const keepdim = { keepdim: true } as const;

/**
 * softmax(scale · q kᵀ + mask + bias) v, and the softmax itself: q [lead…, rows, d], k [lead…, keys, d], v [lead…,
 * keys, e], mask and an optional bias as in `addMask`.
 *
 * The backward pass takes the row sums of the softmax's gradient from the output, whose rows are short (Dao et
 * al. 2022, section 3.1).
 */
const Attention: Op<{ readonly scale: number }> = {
  name: 'Attention',
  cost: {
    products: ([q, k, v]) => {
      const scores = 2 * countOf(q!.shape) * k!.shape.at(-2)!;
      const values = 2 * countOf(q!.shape.slice(0, -1)) * countOf(v!.shape.slice(-2));
      return { flops: scores + values, smallestSide: q!.shape.at(-1)! };
    },
    extraPasses: 3,
    functions: 2,
  },
  castPolicy: 'float32',
  onnx: null,
  infer: ([q, k, v, mask, bias]) => {
    const [rows, d] = q!.shape.slice(-2) as [number, number];
    const [keys, e] = v!.shape.slice(-2) as [number, number];
    const lead = q!.shape.slice(0, -2);
    const fits = sameShape(k!.shape, [...lead, keys, d]) && sameShape(v!.shape, [...lead, keys, e]);
    if (!isFloat(q!) || !fits) return 'queries, keys and values do not fit';
    const [m, columns] = mask!.shape.slice(-2) as [number, number];
    const rank = mask!.shape.length;
    const maskFits = rank === 2 || (rank === 3 && lead.length > 0 && mask!.shape[0] === lead[0]);
    if (!maskFits || columns !== keys || rows % m !== 0) return 'the mask does not fit';
    const biasShape = [1, ...lead.slice(1), rows / m, 1, keys];
    if (bias && !(lead.length > 0 && sameShape(bias.shape, biasShape))) return 'the bias does not fit';
    return [
      { dtype: q!.dtype, shape: [...lead, rows, e] },
      { dtype: q!.dtype, shape: [...lead, rows, keys] },
    ];
  },
  backward: (g, { inputs: [q, k, v, ...constants], output, outputs: [, p], attrs: { scale } }) => {
    const dp = matmul(g, v!, { transB: true });
    const ds = mul(p!, sub(dp, sum(mul(g, output), lastAxis, keepdim)));
    return [
      matmul(ds, k!, { alpha: scale }),
      matmul(ds, q!, { transA: true, alpha: scale }),
      matmul(p!, g, { transA: true }),
      ...constants.map(() => null),
    ];
  },
  lower: ([q, k, v, mask, bias], { scale }) => {
    const scores = matmul(q!, k!, { transB: true, alpha: scale });
    const p = softmax(addMask(scores, mask!, bias));
    return [matmul(p, v!), p];
  },
};

type HeadCounts = { readonly queryHeads: number; readonly keyHeads: number; readonly scale: number };

/** Splits x [batch, seq, heads × width] into heads: [batch, heads, seq, width]. */
function splitHeads(x: Value, heads: number): Value {
  const [batch, seq] = x.shape as [number, number];
  return transpose(reshape(x, [batch, seq, heads, -1]), [0, 2, 1, 3]);
}

/**
 * Attention of a whole sequence for forward passes, as one kernel that keeps no scores (ONNX `Attention`, opset
 * 23; flash attention in ONNX Runtime's CUDA provider): q [batch, seq, queryHeads × d], k [batch, seq,
 * keyHeads × d], v [batch, seq, keyHeads × e] → [batch, seq, queryHeads × e]. Each position attends to itself
 * and to those before it; `queryHeads / keyHeads` neighbouring query heads share a key head. It has no gradient:
 * the kernel does not return the statistics that a backward pass needs.
 */
const CausalAttention: Op<HeadCounts> = {
  name: 'CausalAttention',
  cost: {
    // Position i has i + 1 keys.
    products: ([q, k, v], output) => {
      const perKey = 2 * (countOf(q!.shape) + countOf(output.shape));
      const keyWidth = Math.min(k!.shape.at(-1)!, v!.shape.at(-1)!);
      return { flops: (perKey * (q!.shape[1]! + 1)) / 2, smallestSide: Math.min(q!.shape[1]!, keyWidth) };
    },
    extraPasses: 0,
    functions: 0,
  },
  castPolicy: 'low',
  infer: ([q, k, v], { queryHeads, keyHeads }) => {
    const [batch, seq, queryWidth] = q!.shape as [number, number, number];
    const [keyWidth, valueWidth] = [k!.shape[2]!, v!.shape[2]!];
    const fits =
      isFloat(q!) &&
      [q, k, v].every((x) => x!.shape.length === 3 && x!.dtype === q!.dtype) &&
      [k, v].every((x) => sameShape(x!.shape.slice(0, 2), [batch, seq])) &&
      queryHeads % keyHeads === 0 &&
      queryWidth / queryHeads === keyWidth / keyHeads &&
      valueWidth % keyHeads === 0;
    if (!fits) return 'queries, keys and values do not fit';
    return [{ dtype: q!.dtype, shape: [batch, seq, (queryHeads * valueWidth) / keyHeads] }];
  },
  onnx: ({ attrs: { queryHeads, keyHeads, scale } }) => ({
    op: 'Attention',
    opset: 23,
    attrs: {
      is_causal: true,
      kv_num_heads: keyHeads,
      q_num_heads: queryHeads,
      scale: { float: scale },
    },
  }),
  lower: ([q, k, v], { queryHeads, keyHeads, scale }) => {
    const [batch, seq] = q!.shape as [number, number];
    const shared = [batch, keyHeads];
    const queries = reshape(splitHeads(q!, queryHeads), [...shared, -1, q!.shape[2]! / queryHeads]);
    const mask = lazyConstant(`causal ${seq}`, 'float32', [seq, seq], () =>
      Float32Array.from({ length: seq * seq }, (_, i) => (i % seq > Math.floor(i / seq) ? -1e30 : 0)),
    );
    const output = attend(queries, splitHeads(k!, keyHeads), splitHeads(v!, keyHeads), mask, scale);
    const heads = reshape(output, [batch, queryHeads, seq, -1]);
    return [reshape(transpose(heads, [0, 2, 1, 3]), [batch, seq, -1])];
  },
};

/**
 * Rotary position embedding in its half-split form (Su et al. 2021): rotates each pair (i, i + d/2) of every
 * head of x [batch, seq, heads × d] by the angle with the given cos and sin [seq, d/2]. The gradient is
 * rotated back.
 */
const Rotary: Op = {
  name: 'Rotary',
  cost: streamingCost,
  castPolicy: 'promote',
  infer: ([x, cos, sin]) => {
    const [seq, half] = cos!.shape as [number, number];
    const fits =
      isFloat(x!) &&
      x!.shape.length === 3 &&
      cos!.shape.length === 2 &&
      sameShape(cos!.shape, sin!.shape) &&
      x!.shape[1] === seq &&
      x!.shape[2]! % (2 * half) === 0;
    return fits ? [x!] : 'the angles do not fit';
  },
  backward: (g, { inputs: [, cos, sin] }) => [applyRotary(g, cos!, neg(sin!)), null, null],
  onnx: ({ inputs: [x, cos, sin] }) => ({
    op: 'RotaryEmbedding',
    domain: 'com.microsoft',
    inputs: [x!, constant([0], 'int64'), cos!, sin!],
    attrs: {},
  }),
  lower: ([x, cos, sin]) => {
    const [batch, seq, width] = x!.shape as [number, number, number];
    const half = cos!.shape[1]!;
    const c = reshape(cos!, [seq, 1, half]);
    const s = reshape(sin!, [seq, 1, half]);
    const heads = reshape(x!, [batch, seq, width / (2 * half), 2 * half]);
    const [a, b] = split(heads, [half, half], -1) as [Value, Value];
    const first = sub(mul(a, c), mul(b, s));
    const second = add(mul(b, c), mul(a, s));
    return [reshape(concat([first, second], -1), x!.shape)];
  },
};

export const decoderOps = { Attention, CausalAttention, Rotary };

/** Attention output softmax(scale · q kᵀ + mask + bias) v; see `Attention` for the shapes. */
export const attend = (q: Value, k: Value, v: Value, mask: Value, scale: number, bias?: Value): Value =>
  emit(Attention, bias ? [q, k, v, mask, bias] : [q, k, v, mask], { scale })[0]!;

/** Causal attention as one kernel without a gradient; see `CausalAttention` for the shapes. */
export const causalAttention = (q: Value, k: Value, v: Value, attrs: HeadCounts): Value =>
  emitOne(CausalAttention, [q, k, v], attrs);

/** Rotates the heads of x [batch, seq, heads × d] by the angles with the given cos and sin [seq, d/2]. */
export const applyRotary = (x: Value, cos: Value, sin: Value): Value => emitOne(Rotary, [x, cos, sin], {});
