/**
 * @file The head and its loss over parts of the rows, one after the other: logits, their gradient and what is
 * read off it exist for one part at a time.
 */
import {
  add,
  concat,
  crossEntropy,
  greater,
  mul,
  reshape,
  slice,
  sum,
  where,
  type Value,
} from '../graph/ops/build.ts';
import { vjp, type Seed } from '../graph/passes/grad.ts';
import type { Named } from '../model/named.ts';

/** Logits [rows, vocab] of a last norm's output. */
export type Head = (x: Named) => Value;

/**
 * Bytes of the logits of one part, and the rows that it has at least: each part reads the head again and adds
 * to its gradient.
 */
const partBytes = 2 ** 26;
const partRows = 256;

/** Rows of each part of `rows` × `vocab` logits in float32, of nearly equal length. */
export function headParts(rows: number, vocab: number): readonly number[] {
  const count = Math.max(1, Math.min(Math.ceil((4 * rows * vocab) / partBytes), Math.floor(rows / partRows)));
  return Array.from(
    { length: count },
    (_, i) => Math.floor(((i + 1) * rows) / count) - Math.floor((i * rows) / count),
  );
}

/** The parts of `x` [batch, seq, width], each [1, rows, width], with their targets. */
function cut(
  x: Named,
  targets: Value,
  lengths: readonly number[],
): readonly { readonly x: Named; readonly targets: Value }[] {
  const flat = reshape(x.value, [1, targets.shape[0]!, x.value.shape.at(-1)!]);
  return lengths.map((length, i) => {
    const from = lengths.slice(0, i).reduce((a, b) => a + b, 0);
    return {
      x: { value: slice(flat, 1, from, from + length), axes: x.axes },
      targets: slice(targets, 0, from, from + length),
    };
  });
}

/** Losses [rows] in nats. */
export const headLosses = (head: Head, x: Named, targets: Value, vocab: number): Value =>
  concat(
    cut(x, targets, headParts(targets.shape[0]!, vocab)).map((part) =>
      crossEntropy(head(part.x), part.targets),
    ),
    0,
  );

/**
 * The mean loss, and what it sends back to `x` and to those of `weights` that the head reads, times `seed`;
 * from parts of these `lengths`.
 */
export function headGradients(
  head: Head,
  x: Named,
  targets: Value,
  lengths: readonly number[],
  weights: readonly Value[],
  seed: Value,
): { readonly loss: Value; readonly seeds: readonly Seed[] } {
  const losses: Value[] = [];
  const back: Value[] = [];
  const sums = new Map<Value, Value>();
  for (const part of cut(x, targets, lengths)) {
    const entering =
      losses.length === 0
        ? part.x.value
        : add(part.x.value, after([losses.at(-1)!, back.at(-1)!, ...sums.values()]));
    const loss = mul(
      sum(crossEntropy(head({ value: entering, axes: x.axes }), part.targets)),
      1 / targets.shape[0]!,
    );
    const [dx, ...dw] = vjp([{ of: loss, g: seed }], [entering, ...weights], { end: entering });
    losses.push(loss);
    back.push(dx!);
    dw.forEach((g, i) => {
      const w = weights[i]!;
      const before = sums.get(w);
      if (g) sums.set(w, before ? add(before, g) : g);
    });
  }
  return {
    loss: losses.reduce((a, b) => add(a, b)),
    seeds: [
      { of: x.value, g: reshape(concat(back, 1), x.value.shape) },
      ...[...sums].map(([of, g]) => ({ of, g })),
    ],
  };
}

/**
 * A zero that is there only when `values` are: what is added to it waits for them. A comparison, so that what
 * is not finite stays where it is.
 */
const after = (values: readonly Value[]): Value =>
  values
    .map((v) => where(greater(reshape(slice(reshape(v, [-1]), 0, 0, 1), []), 0), 0, 0))
    .reduce((a, b) => add(a, b));
