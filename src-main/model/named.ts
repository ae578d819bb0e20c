/**
 * @file Values whose axes have names: the one place where names become positions, and the only file that
 * emits Transpose and Reshape for a model.
 */
import { matmul, reshape, transpose, type Value } from '../graph/ops/build.ts';
import * as op from '../graph/ops/build.ts';
import { countOf, type Axis, type Layout, type Role } from '../tensor/layout.ts';

/** An axis of a weight, or one of a batch. */
export type AxisName = Axis | 'batch' | 'seq';

/** A value with one name per axis. */
export interface NamedValue {
  readonly value: Value;
  readonly axes: readonly AxisName[];
}

export const nameAxes = (value: Value, ...axes: readonly AxisName[]): NamedValue => {
  if (axes.length !== value.shape.length)
    throw new RangeError(`${axes.length} names for a value of ${value.shape.length} axes`);
  return { value, axes };
};

const sizeOf = (x: NamedValue, axis: AxisName): number => x.value.shape[x.axes.indexOf(axis)]!;

/** The same value with its axes in this order; all must be named. */
export function permute(x: NamedValue, axes: readonly AxisName[]): NamedValue {
  const perm = axes.map((axis) => x.axes.indexOf(axis));
  return perm.every((from, to) => from === to) ? x : nameAxes(transpose(x.value, perm), ...axes);
}

/**
 * `f` of the values of both, the second broadcast along the axes it lacks; the result has the axes of the
 * first.
 */
export function broadcast(f: (a: Value, b: Value) => Value, a: NamedValue, b: NamedValue): NamedValue {
  const wanted = a.axes.filter((axis) => b.axes.includes(axis));
  const aligned = permute(b, wanted).value;
  return { value: f(a.value, reshape(aligned, trailing(a.axes, wanted, aligned.shape))), axes: a.axes };
}

/** `shape` over the axes of `all` from the first that `some` names on, with ones where it lacks one. */
function trailing(all: readonly AxisName[], some: readonly AxisName[], shape: readonly number[]): number[] {
  const first = all.findIndex((axis) => some.includes(axis));
  return all.slice(Math.max(first, 0)).map((axis) => (some.includes(axis) ? shape[some.indexOf(axis)]! : 1));
}

export const mapValue = (f: (x: Value) => Value, x: NamedValue): NamedValue => ({ value: f(x.value), axes: x.axes });
export const add = (a: NamedValue, b: NamedValue): NamedValue => broadcast(op.add, a, b);
export const mul = (a: NamedValue, b: NamedValue): NamedValue => broadcast(op.mul, a, b);

/** Every entry of an axis, apart. */
export function unbind(x: NamedValue, axis: AxisName): readonly NamedValue[] {
  const at = x.axes.indexOf(axis);
  const rest = x.axes.filter((a) => a !== axis);
  const n = sizeOf(x, axis);
  return op.split(x.value, Array<number>(n).fill(1), at).map((v) =>
    nameAxes(
      reshape(
        v,
        rest.map((a) => sizeOf(x, a)),
      ),
      ...rest,
    ),
  );
}

/**
 * A stored matrix applied to `x`: sums over its `in` axes and appends its `out` axes, `x` [..., in…] → [...,
 * out…].
 * All other axes of `x` become rows of one plain product, so that the weight's gradient is one product too.
 */
export function applyWeight(x: NamedValue, weight: Value, layout: Layout, sizes: readonly number[]): NamedValue {
  const inner = axesOf(layout, 'in');
  const outer = axesOf(layout, 'out');
  const lead = x.axes.filter((axis) => !(inner as readonly AxisName[]).includes(axis));
  const rows = permute(x, [...lead, ...inner]);
  const flat = reshape(rows.value, [-1, countOf(inner.map((axis) => sizeOf(x, axis)))]);
  const product = matmul(flat, weight, { transB: layout.axes[0]!.role === 'out' });
  const outSizes = layout.axes.flatMap(({ role }, i) => (role === 'out' ? [sizes[i]!] : []));
  return nameAxes(reshape(product, [...lead.map((axis) => sizeOf(x, axis)), ...outSizes]), ...lead, ...outer);
}

/** The axes of a weight with this role, in stored order. */
const axesOf = (layout: Layout, role: Role): readonly Axis[] =>
  layout.axes.filter((a) => a.role === role).map((a) => a.axis);
