/**
 * @file The output head and its loss over parts of the rows, one part at a time, so that the logits of all rows
 * never exist at once.
 */
import {
  accumulate,
  add,
  concat,
  crossEntropy,
  greater,
  mul,
  reshape,
  slice,
  split,
  sum,
  where,
  type Value,
} from '../graph/ops/build.ts';
import { noKernels, type KernelChoice } from '../graph/kernels.ts';
import { vjp, type Seed } from '../graph/passes/grad.ts';
import { useKernels } from '../graph/passes/use-kernels.ts';
import type { NamedValue } from '../model/named-value.ts';

/** Logits [rows, vocab] from the output of the last norm. */
export type Head = (x: NamedValue) => Value;

/** Fewest rows of a part: every part reads the head's weight again and adds to its gradient. */
const partRows = 256;

/**
 * Rows of each part of logits [rows, vocab]: as few parts as keep the float32 logits of one below `mostBytes`,
 * or up to twice as many if they are equal then.
 */
export function headParts(rows: number, vocab: number, mostBytes: number): readonly number[] {
  const byMemory = Math.ceil((4 * rows * vocab) / mostBytes);
  const fewest = Math.max(1, Math.min(byMemory, Math.floor(rows / partRows)));
  const candidates = Array.from({ length: fewest }, (_, i) => fewest + i);
  const count = candidates.find((n) => rows % n === 0) ?? fewest;
  const bound = (i: number): number => Math.floor((i * rows) / count);
  return Array.from({ length: count }, (_, i) => bound(i + 1) - bound(i));
}

interface Part {
  readonly x: NamedValue;
  readonly targets: Value;
}

/** Cuts `x` [batch, seq, width] into parts [1, rows, width] with their targets. */
function cutRows(x: NamedValue, targets: Value, lengths: readonly number[]): readonly Part[] {
  const rows = split(reshape(x.value, [1, targets.shape[0]!, x.value.shape.at(-1)!]), lengths, 1);
  const targetsOf = split(targets, lengths, 0);
  return rows.map((value, i) => ({ x: { value, axes: x.axes }, targets: targetsOf[i]! }));
}

/** Losses [rows] in nats, computed in parts of these `lengths`. */
export function headLosses(head: Head, x: NamedValue, targets: Value, lengths: readonly number[]): Value {
  return concat(
    cutRows(x, targets, lengths).map((part) => crossEntropy(head(part.x), part.targets)),
    0,
  );
}

/**
 * The mean loss, and its gradient (times `seed`) with respect to `x` and to those of `weights` that the head
 * reads, computed in parts of these `lengths`.
 */
export function headGradients(
  head: Head,
  x: NamedValue,
  targets: Value,
  lengths: readonly number[],
  weights: readonly Value[],
  seed: Value,
  kernels: KernelChoice = noKernels,
): { readonly loss: Value; readonly seeds: readonly Seed[] } {
  const rows = targets.shape[0]!;
  const losses: Value[] = [];
  const xGradients: Value[] = [];
  const weightGradients = new Map<Value, Value>();
  for (const part of cutRows(x, targets, lengths)) {
    // Each part waits for the gradients of the part before it; otherwise the logits of all parts are held.
    const previous = [losses.at(-1), xGradients.at(-1), ...weightGradients.values()];
    const awaited = previous.filter((value) => value !== undefined);
    const rowsOfPart = awaited.length === 0 ? part.x.value : add(part.x.value, zeroAfter(awaited));
    const logits = head({ value: rowsOfPart, axes: x.axes });
    const [tokenLosses] = useKernels([crossEntropy(logits, part.targets)], kernels);
    const loss = mul(sum(tokenLosses!), 1 / rows);
    const wrt = [rowsOfPart, ...weights];
    const [dx, ...dw] = vjp([{ value: loss, gradient: seed }], wrt, { stopAt: rowsOfPart });
    losses.push(loss);
    xGradients.push(dx!);
    for (const [i, gradient] of dw.entries()) {
      if (!gradient) continue;
      const before = weightGradients.get(weights[i]!);
      weightGradients.set(weights[i]!, before ? accumulate(before, gradient) : gradient);
    }
  }
  const dx = reshape(concat(xGradients, 1), x.value.shape);
  return {
    loss: losses.reduce((a, b) => add(a, b)),
    seeds: [
      { value: x.value, gradient: dx },
      ...[...weightGradients].map(([value, gradient]) => ({ value, gradient })),
    ],
  };
}

/** A zero that can be computed only after `values`. It is a comparison, so that NaN and ∞ do not spread. */
const zeroAfter = (values: readonly Value[]): Value =>
  values
    .map((v) => reshape(slice(reshape(v, [-1]), 0, 0, 1), []))
    .map((first) => where(greater(first, 0), 0, 0))
    .reduce((a, b) => add(a, b));
