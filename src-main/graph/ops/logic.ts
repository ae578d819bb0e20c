/** @file Comparisons, boolean operators, selection and casts. No gradient flows through a comparison. */
import { dtypes, type DType } from '../../tensor/dtype.ts';
import { constant, emitOne, type Attrs, type Op, type TensorType, type Value } from '../graph.ts';
import { streamingCost } from '../op-cost.ts';
import { broadcastShape } from '../shapes.ts';
import { isFloat } from '../types.ts';

/** A value, or a number that takes the dtype of the other operand. */
export type Operand = Value | number;

/** Both operands as values. Two numbers become float32. */
export function operandPair(a: Operand, b: Operand): readonly [Value, Value] {
  const dtype = typeof a === 'object' ? a.dtype : typeof b === 'object' ? b.dtype : 'float32';
  const toValue = (operand: Operand): Value =>
    typeof operand === 'object' ? operand : constant(operand, dtype);
  return [toValue(a), toValue(b)];
}

/** The result type of two operands of one dtype that broadcast. */
export function inferBroadcast([a, b]: readonly TensorType[]): readonly TensorType[] | string {
  const shape = broadcastShape(a!.shape, b!.shape);
  if (!shape) return 'the shapes do not broadcast';
  return a!.dtype === b!.dtype ? [{ dtype: a!.dtype, shape }] : 'the element types differ';
}

const comparison = (name: string): Op => ({
  name,
  elementwise: true,
  cost: streamingCost,
  castPolicy: 'float32',
  infer: (inputs) => {
    const types = inferBroadcast(inputs);
    return typeof types === 'string' ? types : [{ dtype: 'bool', shape: types[0]!.shape }];
  },
  backward: null,
});

const connective = (name: string): Op => ({
  name,
  elementwise: true,
  cost: streamingCost,
  castPolicy: 'float32',
  infer: (inputs) => (inputs.every((v) => v.dtype === 'bool') ? inferBroadcast(inputs) : 'not bool'),
  backward: null,
});

const Greater = comparison('Greater');
const Less = comparison('Less');
const Equal = comparison('Equal');
const And = connective('And');
const Or: Op = { ...connective('Or'), lower: ([a, b]) => [not(and(not(a!), not(b!)))] };

const Not: Op = {
  name: 'Not',
  elementwise: true,
  cost: streamingCost,
  castPolicy: 'float32',
  infer: ([x]) => (x!.dtype === 'bool' ? [x!] : 'not bool'),
  backward: null,
};

const Where: Op = {
  name: 'Where',
  elementwise: true,
  cost: streamingCost,
  castPolicy: 'promote',
  infer: ([condition, a, b]) => {
    const branches = inferBroadcast([a!, b!]);
    if (typeof branches === 'string') return branches;
    if (condition!.dtype !== 'bool') return 'the condition is not bool';
    const shape = broadcastShape(condition!.shape, branches[0]!.shape);
    return shape ? [{ dtype: a!.dtype, shape }] : 'the shapes do not broadcast';
  },
  backward: (g, { inputs: [condition] }) => [null, where(condition!, g, 0), where(condition!, 0, g)],
};

const Cast: Op<{ readonly to: DType }> = {
  name: 'Cast',
  elementwise: true,
  cost: streamingCost,
  castPolicy: 'float32',
  infer: ([x], { to }) => [{ dtype: to, shape: x!.shape }],
  backward: (g, { inputs: [x], attrs: { to } }) => [
    isFloat(x!) && isFloat({ dtype: to }) ? cast(g, x!.dtype) : null,
  ],
  onnx: ({ attrs: { to } }) => ({ attrs: { to: dtypes[to].onnx } }),
};

export const logicOps = { Greater, Less, Equal, And, Or, Not, Where, Cast };

const noAttrs: Attrs = {};
const emitComparison =
  (op: Op) =>
  (a: Operand, b: Operand): Value =>
    emitOne(op, operandPair(a, b), noAttrs);

export const greater = emitComparison(Greater);
export const less = emitComparison(Less);
export const equal = emitComparison(Equal);
export const and = (a: Value, b: Value): Value => emitOne(And, [a, b], noAttrs);
export const or = (a: Value, b: Value): Value => emitOne(Or, [a, b], noAttrs);
export const not = (x: Value): Value => emitOne(Not, [x], noAttrs);

/** Elementwise `condition ? a : b`. */
export const where = (condition: Value, a: Operand, b: Operand): Value =>
  emitOne(Where, [condition, ...operandPair(a, b)], noAttrs);

/** `x` converted to another element type; `x` itself if it has that type already. */
export const cast = (x: Value, to: DType): Value => (x.dtype === to ? x : emitOne(Cast, [x], { to }));
