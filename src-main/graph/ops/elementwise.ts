/** @file Elementwise arithmetic. */
import {
  constant,
  emitOne,
  type Attrs,
  type CastPolicy,
  type Op,
  type OpCost,
  type Value,
} from '../graph.ts';
import { functionCost, streamingCost } from '../op-cost.ts';
import { isFloat } from '../types.ts';
import { equal, greater, inferBroadcast, operandPair, where, type Operand } from './logic.ts';

type Backward = NonNullable<Op['backward']>;

const binary = (name: string, cost: OpCost, castPolicy: CastPolicy, backward: Backward): Op => ({
  name,
  elementwise: true,
  cost,
  castPolicy,
  infer: inferBroadcast,
  backward,
});

const unary = (name: string, cost: OpCost, castPolicy: CastPolicy, backward: Backward): Op => ({
  name,
  elementwise: true,
  cost,
  castPolicy,
  infer: ([x]) => (isFloat(x!) ? [x!] : 'not a float'),
  backward,
});

const Add = binary('Add', streamingCost, 'promote', (g) => [g, g]);
const Sub = binary('Sub', streamingCost, 'promote', (g) => [g, neg(g)]);
const Mul = binary('Mul', streamingCost, 'promote', (g, { inputs: [a, b] }) => [mul(g, b!), mul(g, a!)]);
const Div = binary('Div', streamingCost, 'promote-bfloat16', (g, { inputs: [, b], output }) => {
  const da = div(g, b!);
  return [da, neg(mul(da, output))];
});
const Pow = binary('Pow', functionCost(1), 'float32', (g, { inputs: [a, b], output }) => [
  mul(g, mul(b!, pow(a!, sub(b!, 1)))),
  mul(g, mul(output, log(a!))),
]);
const Min = binary('Min', streamingCost, 'float32', (g, { inputs: [a, b] }) => {
  const isSecond = greater(a!, b!);
  return [where(isSecond, 0, g), where(isSecond, g, 0)];
});
const Max = binary('Max', streamingCost, 'float32', (g, { inputs: [a, b] }) => {
  const isSecond = greater(b!, a!);
  return [where(isSecond, 0, g), where(isSecond, g, 0)];
});
/** a + b in float32 in every precision: for a sum that is built up from many parts. */
const Accumulate: Op = {
  ...binary('Accumulate', streamingCost, 'float32', (g) => [g, g]),
  onnx: () => ({ op: 'Add' }),
};

const Neg = unary('Neg', streamingCost, 'promote', (g) => [neg(g)]);
const Reciprocal = unary('Reciprocal', streamingCost, 'float32', (g, { output }) => [
  neg(mul(g, square(output))),
]);
const Sqrt = unary('Sqrt', streamingCost, 'float32', (g, { output }) => [div(mul(g, 0.5), output)]);
const Exp = unary('Exp', functionCost(1), 'promote-bfloat16', (g, { output }) => [mul(g, output)]);
const Log = unary('Log', functionCost(1), 'float32', (g, { inputs: [x] }) => [div(g, x!)]);
const Tanh = unary('Tanh', functionCost(1), 'promote', (g, { output }) => [mul(g, sub(1, square(output)))]);
const Erf = unary('Erf', functionCost(1), 'float32', (g, { inputs: [x] }) => [
  mul(g, mul(exp(neg(square(x!))), 2 / Math.sqrt(Math.PI))),
]);
const Sigmoid: Op = {
  ...unary('Sigmoid', functionCost(1), 'promote-bfloat16', (g, { output }) => [
    mul(g, sub(output, square(output))),
  ]),
  lower: ([x]) => [div(1, add(exp(neg(x!)), 1))],
};
const Relu = unary('Relu', streamingCost, 'promote', (g, { output }) => [where(greater(output, 0), g, 0)]);

/** Limits values to [low, high]. No gradient flows through a value that was limited. */
const Clip: Op<{ readonly low: number; readonly high: number }> = {
  name: 'Clip',
  elementwise: true,
  cost: streamingCost,
  castPolicy: 'float32',
  infer: ([x], { low, high }) => (low <= high ? [x!] : 'the lower bound is above the upper one'),
  backward: (g, { inputs: [x], output }) => [where(equal(x!, output), g, 0)],
  onnx: ({ inputs: [x], attrs: { low, high } }) => ({
    inputs: [x!, constant(low, x!.dtype), constant(high, x!.dtype)],
    attrs: {},
  }),
};

export const elementwiseOps = {
  ...{ Add, Sub, Mul, Div, Pow, Min, Max, Accumulate },
  ...{ Neg, Reciprocal, Sqrt, Exp, Log, Tanh, Erf, Sigmoid, Relu, Clip },
};

const noAttrs: Attrs = {};
const emitBinary =
  (op: Op) =>
  (a: Operand, b: Operand): Value =>
    emitOne(op, operandPair(a, b), noAttrs);
const emitUnary =
  (op: Op) =>
  (x: Value): Value =>
    emitOne(op, [x], noAttrs);

export const add = emitBinary(Add);
export const accumulate = emitBinary(Accumulate);
export const sub = emitBinary(Sub);
export const mul = emitBinary(Mul);
export const div = emitBinary(Div);
export const pow = emitBinary(Pow);
export const min = emitBinary(Min);
export const max = emitBinary(Max);
export const neg = emitUnary(Neg);
export const reciprocal = emitUnary(Reciprocal);
export const sqrt = emitUnary(Sqrt);
export const exp = emitUnary(Exp);
export const log = emitUnary(Log);
export const tanh = emitUnary(Tanh);
export const erf = emitUnary(Erf);
export const sigmoid = emitUnary(Sigmoid);
export const relu = emitUnary(Relu);
export const clip = (x: Value, low: number, high: number): Value => emitOne(Clip, [x], { low, high });
export const square = (x: Value): Value => mul(x, x);
