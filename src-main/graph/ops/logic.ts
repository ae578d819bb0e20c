/** @file Rows that compare, choose and convert; nothing flows back through a comparison. */
import type { DType } from '../../tensor/dtype.ts';
import { dtypes } from '../../tensor/dtype.ts';
import { constant, emitOne, type Attrs, type Op, type Type, type Value } from '../graph.ts';
import { broadcastShape, isFloat } from '../shapes.ts';

/** A value, or a number that takes the other side's dtype. */
export type Operand = Value | number;

const none: Attrs = {};

/** Both operands as values. */
export function pair(a: Operand, b: Operand): readonly [Value, Value] {
  const dtype = typeof a === 'object' ? a.dtype : typeof b === 'object' ? b.dtype : 'float32';
  return [typeof a === 'object' ? a : constant(a, dtype), typeof b === 'object' ? b : constant(b, dtype)];
}

/** The type of a broadcast pair of one dtype; `as` gives the result another dtype. */
export const pairType =
  (as?: DType) =>
  ([a, b]: readonly Type[]): readonly Type[] | string => {
    const shape = broadcastShape(a!.shape, b!.shape);
    if (!shape) return 'the shapes do not broadcast';
    return a!.dtype === b!.dtype ? [{ dtype: as ?? a!.dtype, shape }] : 'the element types differ';
  };

const comparison = (name: string): Op => ({ name, elementwise: true, grad: null, infer: pairType('bool') });
const connective = (name: string): Op => ({
  name,
  elementwise: true,
  grad: null,
  infer: (inputs) => (inputs.every((v) => v.dtype === 'bool') ? pairType()(inputs) : 'not bool'),
});

export const Greater = comparison('Greater');
export const Less = comparison('Less');
export const Equal = comparison('Equal');
export const And = connective('And');
export const Or: Op = { ...connective('Or'), lower: ([a, b]) => [not(and(not(a!), not(b!)))] };
export const Not: Op = {
  name: 'Not',
  elementwise: true,
  grad: null,
  infer: ([x]) => (x!.dtype === 'bool' ? [x!] : 'not bool'),
};

export const Where: Op = {
  name: 'Where',
  elementwise: true,
  infer: ([c, a, b]) => {
    const chosen = pairType()([a!, b!]);
    if (typeof chosen === 'string' || c!.dtype !== 'bool')
      return typeof chosen === 'string' ? chosen : 'the condition is not bool';
    const shape = broadcastShape(c!.shape, chosen[0]!.shape);
    return shape ? [{ dtype: a!.dtype, shape }] : 'the shapes do not broadcast';
  },
  grad: (g, { in: [c] }) => [null, where(c!, g, 0), where(c!, 0, g)],
};

export const Cast: Op<{ readonly to: DType }> = {
  name: 'Cast',
  elementwise: true,
  infer: ([x], { to }) => [{ dtype: to, shape: x!.shape }],
  grad: (g, { in: [x], attrs: { to } }) => [isFloat(x!) && isFloat({ dtype: to }) ? cast(g, x!.dtype) : null],
  onnx: ({ attrs: { to } }) => ({ attrs: { to: dtypes[to].onnx } }),
};

const compared =
  (op: Op) =>
  (a: Operand, b: Operand): Value =>
    emitOne(op, pair(a, b), none);
export const greater = compared(Greater);
export const less = compared(Less);
export const equal = compared(Equal);
export const and = (a: Value, b: Value): Value => emitOne(And, [a, b], none);
export const or = (a: Value, b: Value): Value => emitOne(Or, [a, b], none);
export const not = (x: Value): Value => emitOne(Not, [x], none);
/** Elementwise `condition ? a : b`. */
export const where = (condition: Value, a: Operand, b: Operand): Value =>
  emitOne(Where, [condition, ...pair(a, b)], none);
/** The same numbers as another element type; the value itself where it has that already. */
export const cast = (x: Value, to: DType): Value => (x.dtype === to ? x : emitOne(Cast, [x], { to }));
