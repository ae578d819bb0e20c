/**
 * @file Values whose axes have names. Layers refer to axes by name; this file turns names into Transpose and
 * Reshape nodes.
 */
import * as op from '../graph/ops/build.ts';
import type { Value } from '../graph/graph.ts';
import { countElements, type Axis, type Layout, type Role } from '../tensor/layout.ts';

/** An axis of a weight, or an axis of a batch of tokens. */
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

/** The same value with its axes in this order; `axes` must name all of them. */
export function permute(x: NamedValue, axes: readonly AxisName[]): NamedValue {
  const order = axes.map((axis) => x.axes.indexOf(axis));
  if (order.every((from, to) => from === to)) return x;
  return nameAxes(op.transpose(x.value, order), ...axes);
}

/** `f(a, b)` with `b` broadcast along the axes it lacks. The result has the axes of `a`. */
export function broadcast(f: (a: Value, b: Value) => Value, a: NamedValue, b: NamedValue): NamedValue {
  const shared = a.axes.filter((axis) => b.axes.includes(axis));
  const aligned = permute(b, shared).value;
  const shape = broadcastShape(a.axes, shared, aligned.shape);
  return { value: f(a.value, op.reshape(aligned, shape)), axes: a.axes };
}

/** `shape` over the axes of `all`, starting at the first shared one, with 1 for axes that are not shared. */
function broadcastShape(
  all: readonly AxisName[],
  shared: readonly AxisName[],
  shape: readonly number[],
): number[] {
  const first = Math.max(
    all.findIndex((axis) => shared.includes(axis)),
    0,
  );
  return all.slice(first).map((axis) => (shared.includes(axis) ? shape[shared.indexOf(axis)]! : 1));
}

export const mapValue = (f: (x: Value) => Value, x: NamedValue): NamedValue => ({
  value: f(x.value),
  axes: x.axes,
});
export const add = (a: NamedValue, b: NamedValue): NamedValue => broadcast(op.add, a, b);
export const mul = (a: NamedValue, b: NamedValue): NamedValue => broadcast(op.mul, a, b);

/** Removes `axis` and returns one value per entry, as torch.unbind does. */
export function unbind(x: NamedValue, axis: AxisName): readonly NamedValue[] {
  const rest = x.axes.filter((a) => a !== axis);
  const shape = rest.map((a) => sizeOf(x, a));
  const ones = Array<number>(sizeOf(x, axis)).fill(1);
  return op
    .split(x.value, ones, x.axes.indexOf(axis))
    .map((entry) => nameAxes(op.reshape(entry, shape), ...rest));
}

/**
 * Multiplies `x` by a stored weight: sums over the weight's `in` axes and appends its `out` axes, [..., in…] →
 * [..., out…]. All other axes of `x` are flattened into the rows of a single matrix product, so that the
 * weight's gradient is a single product too.
 */
export function applyWeight(
  x: NamedValue,
  weight: Value,
  layout: Layout,
  sizes: readonly number[],
): NamedValue {
  const inAxes = axesWithRole(layout, 'in');
  const outAxes = axesWithRole(layout, 'out');
  const lead = x.axes.filter((axis) => !(inAxes as readonly AxisName[]).includes(axis));
  const rows = permute(x, [...lead, ...inAxes]);
  const flat = op.reshape(rows.value, [-1, countElements(inAxes.map((axis) => sizeOf(x, axis)))]);
  const product = op.matmul(flat, weight, { transB: layout.axes[0]!.role === 'out' });
  const leadSizes = lead.map((axis) => sizeOf(x, axis));
  const outSizes = layout.axes.flatMap(({ role }, i) => (role === 'out' ? [sizes[i]!] : []));
  return nameAxes(op.reshape(product, [...leadSizes, ...outSizes]), ...lead, ...outAxes);
}

/** The axes of a weight with this role, in stored order. */
const axesWithRole = (layout: Layout, role: Role): readonly Axis[] =>
  layout.axes.filter((a) => a.role === role).map((a) => a.axis);
