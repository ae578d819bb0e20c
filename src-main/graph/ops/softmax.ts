/** @file Softmax, its logarithm, and the cross entropy whose gradient is softmax minus one-hot. */
import { emitOne, type Attrs, type Op, type Value } from '../graph.ts';
import { exp, log, mul, neg, sub } from './elementwise.ts';
import { gatherElements, scatterElements } from './lookup.ts';
import { squeeze, unsqueeze } from './movement.ts';
import { reduceMax, sum } from './reduce.ts';
import { axisOf, isFloat, isIndex, sameShape } from './shapes.ts';

type Axis = { readonly axis: number };
const keep = { keep: true } as const;
const infer: Op<Axis>['infer'] = ([x], { axis }) =>
  axis in x!.shape && isFloat(x!) ? [x!] : 'no such axis, or not a float';

export const Softmax: Op<Axis> = {
  name: 'Softmax',
  infer,
  grad: (g, { out, attrs: { axis } }) => [mul(out, sub(g, sum(mul(g, out), [axis], keep)))],
};

export const LogSoftmax: Op<Axis> = {
  name: 'LogSoftmax',
  infer,
  grad: (g, { out, attrs: { axis } }) => [sub(g, mul(exp(out), sum(g, [axis], keep)))],
  lower: ([x], { axis }) => {
    const z = sub(x!, reduceMax(x!, [axis], keep));
    return [sub(z, log(sum(exp(z), [axis], keep)))];
  },
};

/**
 * -log softmax(logits)[target] over the last axis, in nats. Its gradient reads the logits again, so no second
 * array of their size is kept.
 */
export const CrossEntropy: Op = {
  name: 'CrossEntropy',
  onnx: null,
  infer: ([x, at]) =>
    isFloat(x!) && isIndex(at!) && sameShape(x!.shape.slice(0, -1), at!.shape)
      ? [{ dtype: x!.dtype, shape: at!.shape }]
      : 'the targets do not fit the logits',
  grad: (g, { in: [x, at] }) => {
    const each = unsqueeze(g, [-1]);
    return [scatterElements(mul(softmax(x!), each), unsqueeze(at!, [-1]), neg(each), -1), null];
  },
  lower: ([x, at]) => [neg(squeeze(gatherElements(logSoftmax(x!), unsqueeze(at!, [-1]), -1), [-1]))],
};

const none: Attrs = {};
export const softmax = (x: Value, axis = -1): Value =>
  emitOne(Softmax, [x], { axis: axisOf(axis, x.shape.length) });
export const logSoftmax = (x: Value, axis = -1): Value =>
  emitOne(LogSoftmax, [x], { axis: axisOf(axis, x.shape.length) });
/** Losses in nats, one per target: logits [..., vocab], integer targets [...]. */
export const crossEntropy = (logits: Value, targets: Value): Value =>
  emitOne(CrossEntropy, [logits, targets], none);
