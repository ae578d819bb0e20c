/** @file Causal attention over named axes, with sliding windows, soft-capped scores, biases of keys and document
 * masks. */
import * as op from '../graph/ops/build.ts';
import { countOf, type Value } from '../graph/graph.ts';
import { softcap } from './activations.ts';
import type { AttentionOptions } from './builder-types.ts';
import { biasOfKeys } from './key-bias.ts';
import { slidingAttention } from './layer-type-names.ts';
import { nameAxes, permute, type AxisName, type NamedValue } from './named-value.ts';
import type { Settings } from './settings.ts';

/** Added to the scores of masked keys: far below any score, and finite. */
export const maskedScore = -1e30;

/** The sliding window of a layer: one for all layers, or only for those that `layerTypes` lists as sliding. */
export function windowOf(s: Settings, layer: number): number | undefined {
  const types = s['layerTypes'];
  const window = s['window'];
  if (typeof window !== 'number') return undefined;
  const slides = !Array.isArray(types) || types[layer] === slidingAttention;
  return slides ? window : undefined;
}

/** The head axes that queries and keys share, and those that only the queries have (grouped queries). */
export const headAxesOf = (
  q: NamedValue,
  k: NamedValue,
): { readonly shared: readonly AxisName[]; readonly queryOnly: readonly AxisName[] } => ({
  shared: k.axes.filter((axis) => axis !== 'seq' && axis !== 'head_dim'),
  queryOnly: q.axes.filter((axis) => !k.axes.includes(axis)),
});

/**
 * softmax(scale · q·k + bias of the key + causal mask) · v, [batch, seq, heads…, head_dim] each. Head axes that only
 * `q` has become rows next to `seq` and share the keys. Multi-head, grouped-query and multi-query attention are
 * therefore one function, and no key is repeated in memory. The queries are computed in blocks: a block needs
 * no key after its last query, which saves almost half of the scores.
 */
export function attention(
  q: NamedValue,
  k: NamedValue,
  v: NamedValue,
  scale: number,
  {
    window = Infinity,
    softcap: cap,
    keyBias,
    documents,
    queryBlocks = 8,
    forwardKernel = false,
    flash = false,
  }: AttentionOptions = {},
): NamedValue {
  const { shared, queryOnly } = headAxesOf(q, k);
  const seesAllBefore = window >= q.value.shape[q.axes.indexOf('seq')]!;
  // The kernels know no bias of keys.
  if (forwardKernel && seesAllBefore && cap === undefined && !documents && !keyBias)
    return attendInOneKernel(q, k, v, op.causalAttention, { scale });
  if (flash && !keyBias && op.canFlash(q.value, v.value))
    return attendInOneKernel(
      q,
      k,
      v,
      (queries, keys, values, attrs) => op.flashAttention(queries, keys, values, documents, attrs),
      { scale, window: seesAllBefore ? 0 : window, softcap: cap ?? 0 },
    );
  const queries = permute(q, [...shared, ...queryOnly, 'seq', 'head_dim']).value;
  const keys = permute(k, [...shared, 'seq', 'head_dim']).value;
  const values = permute(v, [...shared, 'seq', 'head_dim']).value;
  const [seq, headDim] = queries.shape.slice(-2) as [number, number];
  const sharedSizes = queries.shape.slice(1, shared.length);
  const headSizes = [...sharedSizes, countOf(queries.shape.slice(shared.length, -2))];
  const block = Math.max(smallestBlock, Math.ceil(seq / queryBlocks));
  const lengths = Array.from({ length: Math.ceil(seq / block) }, (_, i) => Math.min(block, seq - i * block));
  const keysOf = blockRanges(keys, lengths);
  const valuesOf = blockRanges(values, lengths);
  const blocks = op.split(queries, lengths, -2).map((rows, i) => {
    const from = i * block;
    const to = from + lengths[i]!;
    const firstBlock = Math.floor(Math.max(0, from - window + 1) / block);
    const first = firstBlock * block;
    const causal = causalMask(from, to, first, Math.min(window, seq));
    const output = attend(
      op.reshape(rows, [...queries.shape.slice(0, shared.length), -1, headDim]),
      keysOf(firstBlock, i),
      valuesOf(firstBlock, i),
      documents ? maskOtherDocuments(causal, documents, from, to, first) : causal,
      scale,
      cap,
      keyBias && biasOfKeys(keyBias, headSizes, first, to),
    );
    return op.reshape(output, [...rows.shape.slice(0, -1), values.shape.at(-1)!]);
  });
  const output = blocks.length === 1 ? blocks[0]! : op.concat(blocks, -2);
  return nameAxes(output, ...shared, ...queryOnly, 'seq', 'head_dim');
}

interface HeadCounts {
  readonly queryHeads: number;
  readonly keyHeads: number;
}

/** Causal attention as one node, whose heads are one axis after the positions. */
function attendInOneKernel<A>(
  q: NamedValue,
  k: NamedValue,
  v: NamedValue,
  attendTo: (q: Value, k: Value, v: Value, attrs: A & HeadCounts) => Value,
  attrs: A,
): NamedValue {
  const { shared, queryOnly } = headAxesOf(q, k);
  const keyHeads = shared.filter((axis) => axis !== 'batch');
  const queryHeads = [...keyHeads, ...queryOnly];
  const queries = permute(q, ['batch', 'seq', ...queryHeads, 'head_dim']).value;
  const keys = permute(k, ['batch', 'seq', ...keyHeads, 'head_dim']).value;
  const values = permute(v, ['batch', 'seq', ...keyHeads, 'head_dim']).value;
  const [batch, seq] = queries.shape as [number, number];
  const output = attendTo(
    op.reshape(queries, [batch, seq, -1]),
    op.reshape(keys, [batch, seq, -1]),
    op.reshape(values, [batch, seq, -1]),
    {
      ...attrs,
      queryHeads: countOf(queries.shape.slice(2, -1)),
      keyHeads: countOf(keys.shape.slice(2, -1)),
    },
  );
  const shape = [...queries.shape.slice(0, -1), values.shape.at(-1)!];
  return nameAxes(op.reshape(output, shape), 'batch', 'seq', ...queryHeads, 'head_dim');
}

/** Fewest queries of a block. */
const smallestBlock = 128;

/**
 * Returns the function from the first and the last of some blocks to the part of `x` [..., seq, width] that
 * they cover. The blocks are cut out once: the gradient of a cut per range would be padded to the whole.
 */
function blockRanges(x: Value, lengths: readonly number[]): (first: number, last: number) => Value {
  const blocks = op.split(x, lengths, -2);
  return (first, last) => {
    const isWhole = first === 0 && last === lengths.length - 1;
    return isWhole ? x : op.concat(blocks.slice(first, last + 1), -2);
  };
}

/** softmax(softcap(scale · q kᵀ) + mask + bias) v. */
function attend(
  q: Value,
  k: Value,
  v: Value,
  mask: Value,
  scale: number,
  cap: number | undefined,
  bias: Value | undefined,
): Value {
  if (cap === undefined) return op.attend(q, k, v, mask, scale, bias);
  const scores = softcap(op.matmul(q, k, { transB: true, alpha: scale }), cap);
  return op.matmul(op.softmax(op.addMask(scores, mask, bias)), v);
}

/** Added to scores, [to - from, to - first]: 0 where query from + row may attend to key first + column. */
function causalMask(from: number, to: number, first: number, window: number): Value {
  const rows = to - from;
  const columns = to - first;
  return op.lazyConstant(`causal mask ${from} ${to} ${first} ${window}`, 'float32', [rows, columns], () =>
    Float32Array.from({ length: rows * columns }, (_, i) => {
      const query = from + Math.floor(i / columns);
      const key = first + (i % columns);
      const distance = query - key;
      return distance < 0 || distance >= window ? maskedScore : 0;
    }),
  );
}

/** `mask` [to - from, to - first] with keys of other documents masked too: [batch, to - from, to - first]. */
function maskOtherDocuments(mask: Value, documents: Value, from: number, to: number, first: number): Value {
  const [batch] = documents.shape as [number];
  const ofQuery = op.reshape(op.slice(documents, 1, from, to), [batch, -1, 1]);
  const ofKey = op.reshape(op.slice(documents, 1, first, to), [batch, 1, -1]);
  return op.where(op.equal(ofQuery, ofKey), mask, maskedScore);
}
