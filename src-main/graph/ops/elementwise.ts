/** @file Rows of elementwise arithmetic. */
import { constant, emitOne, type Attrs, type Op, type Value } from '../graph.ts';
import { equal, greater, pair, pairType, where, type Operand } from './logic.ts';
import { isFloat } from '../shapes.ts';

const none: Attrs = {};
type Rule = NonNullable<Op['grad']>;

const binary = (name: string, grad: Rule): Op => ({ name, elementwise: true, infer: pairType(), grad });
const unary = (name: string, grad: Rule): Op => ({
  name,
  elementwise: true,
  infer: ([x]) => (isFloat(x!) ? [x!] : 'not a float'),
  grad,
});

export const Add = binary('Add', (g) => [g, g]);
export const Sub = binary('Sub', (g) => [g, neg(g)]);
export const Mul = binary('Mul', (g, { in: [a, b] }) => [mul(g, b!), mul(g, a!)]);
export const Div = binary('Div', (g, { in: [, b], out }) => {
  const d = div(g, b!);
  return [d, neg(mul(d, out))];
});
export const Pow = binary('Pow', (g, { in: [a, b], out }) => [
  mul(g, mul(b!, pow(a!, sub(b!, 1)))),
  mul(g, mul(out, log(a!))),
]);
export const Min = binary('Min', (g, { in: [a, b] }) => {
  const second = greater(a!, b!);
  return [where(second, 0, g), where(second, g, 0)];
});
export const Max = binary('Max', (g, { in: [a, b] }) => {
  const second = greater(b!, a!);
  return [where(second, 0, g), where(second, g, 0)];
});

export const Neg = unary('Neg', (g) => [neg(g)]);
export const Reciprocal = unary('Reciprocal', (g, { out }) => [neg(mul(g, square(out)))]);
export const Sqrt = unary('Sqrt', (g, { out }) => [div(mul(g, 0.5), out)]);
export const Exp = unary('Exp', (g, { out }) => [mul(g, out)]);
export const Log = unary('Log', (g, { in: [x] }) => [div(g, x!)]);
export const Tanh = unary('Tanh', (g, { out }) => [mul(g, sub(1, square(out)))]);
export const Erf = unary('Erf', (g, { in: [x] }) => [
  mul(g, mul(exp(neg(square(x!))), 2 / Math.sqrt(Math.PI))),
]);
export const Sigmoid = unary('Sigmoid', (g, { out }) => [mul(g, sub(out, square(out)))]);
export const Relu = unary('Relu', (g, { out }) => [where(greater(out, 0), g, 0)]);

/** Values outside the bounds are moved onto them, and stop the gradient. */
export const Clip: Op<{ readonly low: number; readonly high: number }> = {
  name: 'Clip',
  elementwise: true,
  infer: ([x], { low, high }) => (low <= high ? [x!] : 'the bounds are crossed'),
  grad: (g, { in: [x], out }) => [where(equal(x!, out), g, 0)],
  onnx: ({ inputs: [x], attrs: { low, high } }) => ({
    inputs: [x!, constant(low, x!.dtype), constant(high, x!.dtype)],
    attrs: {},
  }),
};

const two =
  (op: Op) =>
  (a: Operand, b: Operand): Value =>
    emitOne(op, pair(a, b), none);
const one =
  (op: Op) =>
  (x: Value): Value =>
    emitOne(op, [x], none);

export const add = two(Add);
export const sub = two(Sub);
export const mul = two(Mul);
export const div = two(Div);
export const pow = two(Pow);
export const min = two(Min);
export const max = two(Max);
export const neg = one(Neg);
export const reciprocal = one(Reciprocal);
export const sqrt = one(Sqrt);
export const exp = one(Exp);
export const log = one(Log);
export const tanh = one(Tanh);
export const erf = one(Erf);
export const sigmoid = one(Sigmoid);
export const relu = one(Relu);
export const clip = (x: Value, low: number, high: number): Value => emitOne(Clip, [x], { low, high });
export const square = (x: Value): Value => mul(x, x);
