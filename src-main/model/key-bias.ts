/**
 * @file Biases of attention scores by head and position of the key, and the linear ones of ALiBi (Press et al. 2022).
 * A constant for each query cancels in the softmax, so a bias of the key's position is one of the distance.
 */
import * as op from '../graph/ops/build.ts';
import { countOf, type Value } from '../graph/graph.ts';
import { downcast, upcast } from '../tensor/dtype.ts';

/** What every head adds to the score of a key. */
export interface KeyBias {
  /** Tells its constants apart from those of other biases. */
  readonly name: string;
  at(head: number, position: number): number;
}

/**
 * The slope of each head: 2^(-8i/n) for a power of two, otherwise those of the power below, followed by every other
 * one of the power above.
 */
export function alibiSlopes(heads: number): readonly number[] {
  const power = 2 ** Math.floor(Math.log2(heads));
  const slopesOf = (count: number): number[] =>
    Array.from({ length: count }, (_, i) => 2 ** ((-8 * (i + 1)) / count));
  const between = slopesOf(2 * power).filter((_, i) => i % 2 === 0);
  return [...slopesOf(power), ...between].slice(0, heads);
}

/** slope · position for each head. */
export function alibi(heads: number): KeyBias {
  const slopes = alibiSlopes(heads);
  return { name: `alibi ${heads}`, at: (head, position) => slopes[head]! * position };
}

const roundToBfloat16 = (x: number): number =>
  upcast(downcast(Float32Array.of(x), 'bfloat16'), 'bfloat16')[0]!;

/** ALiBi whose slopes and products are rounded to bfloat16 and then multiplied by `factor`. */
export function roundedAlibi(heads: number, factor: number): KeyBias {
  const slopes = alibiSlopes(heads).map(roundToBfloat16);
  return {
    name: `rounded alibi ${heads} ${factor}`,
    at: (head, position) => factor * roundToBfloat16(slopes[head]! * position),
  };
}

/**
 * The bias of the keys from position `first` to before `to`, relative to the last of them: [1, ...headSizes, 1, keys].
 * The last of `headSizes` counts the heads that share a key.
 */
export function biasOfKeys(bias: KeyBias, headSizes: readonly number[], first: number, to: number): Value {
  const keys = to - first;
  const shape = [1, ...headSizes, 1, keys];
  return op.lazyConstant(`${bias.name} ${first} ${to} ${shape.join(' ')}`, 'float32', shape, () =>
    Float32Array.from({ length: countOf(headSizes) * keys }, (_, i) => {
      const head = Math.floor(i / keys);
      return bias.at(head, first + (i % keys)) - bias.at(head, to - 1);
    }),
  );
}

/**
 * The bias of cached keys [1, ...headSizes, 1, slots] by the positions of their slots, a row of float32 numbers. Those
 * of unused slots, which are `maxPositions` or more, have the bias of the last position.
 */
export function biasOfSlots(
  bias: KeyBias,
  headSizes: readonly number[],
  slotPositions: Value,
  maxPositions: number,
): Value {
  const heads = countOf(headSizes);
  const last = maxPositions - 1;
  const isUsed = op.less(slotPositions, last);
  const rows = op.cast(op.where(isUsed, slotPositions, last), 'int64');
  const name = `${bias.name} table ${heads} ${maxPositions}`;
  const table = op.lazyConstant(name, 'float32', [heads, maxPositions], () =>
    Float32Array.from({ length: heads * maxPositions }, (_, i) =>
      bias.at(Math.floor(i / maxPositions), i % maxPositions),
    ),
  );
  return op.reshape(op.gather(table, op.reshape(rows, [-1]), 1), [1, ...headSizes, 1, -1]);
}
