/**
 * @file Sequences with a key-value cache: a prompt whose keys and values are collected, and tokens that attend to
 * cached ones.
 */
import * as op from '../graph/ops/build.ts';
import type { Value } from '../graph/graph.ts';
import { softcap } from './activations.ts';
import { headAxesOf, maskedScore } from './attention.ts';
import type { AttentionOptions, SequenceContext } from './builder-types.ts';
import { biasOfSlots } from './key-bias.ts';
import { nameAxes, permute, type NamedValue } from './named-value.ts';
import { angleTable, applyRotary } from './rotary.ts';
import { wholeSequence } from './sequence.ts';

/** The cached keys and values of one layer, [batch, key-value heads, slots, head_dim] each. */
export interface KeyValue {
  readonly key: Value;
  readonly value: Value;
}

/** A sequence context, and the cache after it has read its tokens; the forward pass fills `cache`. */
export interface CachedSequence {
  readonly context: SequenceContext;
  /** One entry per layer. */
  readonly cache: readonly KeyValue[];
}

/** Keys or values [1, seq, heads…, head_dim] in the shape of the cache. */
function toCacheShape(x: NamedValue): Value {
  const heads = x.axes.filter((axis) => axis !== 'batch' && axis !== 'seq' && axis !== 'head_dim');
  const { value } = permute(x, ['batch', ...heads, 'seq', 'head_dim']);
  return op.reshape(value, [value.shape[0]!, -1, ...value.shape.slice(-2)]);
}

/** Prompts [batch, seq] read from position 0. */
export function prefillSequence(): CachedSequence {
  const cache: KeyValue[] = [];
  return {
    cache,
    context: {
      ...wholeSequence,
      attention: (q, k, v, scale, options) => {
        cache.push({ key: toCacheShape(k), value: toCacheShape(v) });
        return wholeSequence.attention(q, k, v, scale, options);
      },
    },
  };
}

/** How new tokens continue a cached sequence. A slot is one position of the cache. */
export interface ContinueOptions {
  /** Positions of the new tokens, [seq], int32 or int64. */
  readonly positions: Value;
  /** All positions are below this. */
  readonly maxPositions: number;
  /** Position of each cache slot once the tokens are in it, [slots], float32. Unused slots are far beyond. */
  readonly slotPositions: Value;
  /** The new cache of a layer, from its old one and from `fresh` [batch, heads, seq, head_dim]. */
  updateCache(fresh: Value, layer: number, which: keyof KeyValue): Value;
}

/** Tokens after a cached sequence: their keys and values join the cache, and they attend to earlier slots. */
export function continueSequence(options: ContinueOptions): CachedSequence {
  const { positions, maxPositions, slotPositions, updateCache } = options;
  const cache: KeyValue[] = [];
  const positionsF32 = op.cast(positions, 'float32');
  const slotRow = op.reshape(slotPositions, [1, -1]);

  /** Added to scores, [repeats × seq, slots]: 0 where a query may attend to a slot. */
  const maskFor = (repeats: number, window: number): Value => {
    const queryColumn = op.reshape(op.concat(Array<Value>(repeats).fill(positionsF32), 0), [-1, 1]);
    const distance = op.sub(queryColumn, slotRow);
    const isEarlier = op.greater(distance, -0.5);
    const isVisible = Number.isFinite(window)
      ? op.and(isEarlier, op.less(distance, window - 0.5))
      : isEarlier;
    return op.where(isVisible, op.constant(0), maskedScore);
  };

  const attention = (
    q: NamedValue,
    k: NamedValue,
    v: NamedValue,
    scale: number,
    { window = Infinity, softcap: cap, keyBias }: AttentionOptions = {},
  ): NamedValue => {
    const layer = cache.length;
    const key = updateCache(toCacheShape(k), layer, 'key');
    const value = updateCache(toCacheShape(v), layer, 'value');
    cache.push({ key, value });
    const { shared, queryOnly } = headAxesOf(q, k);
    const queries = permute(q, [...shared, ...queryOnly, 'seq', 'head_dim']).value;
    const [seq, headDim] = queries.shape.slice(-2) as [number, number];
    const rows = op.reshape(queries, [key.shape[0]!, key.shape[1]!, -1, headDim]);
    const product = op.matmul(rows, key, { transB: true, alpha: scale });
    const scores = cap === undefined ? product : softcap(product, cap);
    const mask = maskFor(rows.shape[2]! / seq, window);
    const headSizes = [key.shape[1]!, rows.shape[2]! / seq];
    const bias = keyBias && biasOfSlots(keyBias, headSizes, slotPositions, maxPositions);
    const masked = bias ? op.addMask(scores, mask, bias) : op.add(scores, mask);
    const output = op.matmul(op.softmax(masked), value);
    const split = op.reshape(output, [...queries.shape.slice(0, -1), output.shape.at(-1)!]);
    return nameAxes(split, ...shared, ...queryOnly, 'seq', 'head_dim');
  };

  return {
    cache,
    context: {
      attention,
      rotary: (x, settings) =>
        applyRotary(x, settings, (angles) => [
          op.gather(angleTable('cos', maxPositions, angles, 'position'), positions),
          op.gather(angleTable('sin', maxPositions, angles, 'position'), positions),
        ]),
      positionRows: (_, first) => {
        const rows = first === 0 ? positions : op.add(positions, op.constant(first, positions.dtype));
        return op.reshape(rows, [1, -1]);
      },
    },
  };
}
