/** @file Softmax, log-softmax and the cross entropy. */
import { emitOne, type Attrs, type Op, type Value } from '../graph.ts';
import { functionCost, streamingCost } from '../op-cost.ts';
import { normalizeAxis, sameShape } from '../shapes.ts';
import { isFloat, isIndexType } from '../types.ts';
import { exp, log, mul, neg, sub } from './elementwise.ts';
import { gatherElements, scatterAdd } from './lookup.ts';
import { full, squeeze, unsqueeze } from './movement.ts';
import { reduceMax, sum } from './reduce.ts';

type Axis = { readonly axis: number };
const keepdim = { keepdim: true } as const;
const infer: Op<Axis>['infer'] = ([x], { axis }) =>
  axis in x!.shape && isFloat(x!) ? [x!] : 'no such axis, or not a float';

/** Mixed precision stores its result in low precision: the largest activations kept for the backward pass. */
const Softmax: Op<Axis> = {
  name: 'Softmax',
  cost: functionCost(2),
  castPolicy: 'store-low',
  infer,
  backward: (g, { output, attrs: { axis } }) => [mul(output, sub(g, sum(mul(g, output), [axis], keepdim)))],
};

const LogSoftmax: Op<Axis> = {
  name: 'LogSoftmax',
  cost: functionCost(2),
  castPolicy: 'float32',
  infer,
  backward: (g, { output, attrs: { axis } }) => [sub(g, mul(exp(output), sum(g, [axis], keepdim)))],
  lower: ([x], { axis }) => {
    const shifted = sub(x!, reduceMax(x!, [axis], keepdim));
    return [sub(shifted, log(sum(exp(shifted), [axis], keepdim)))];
  },
};

/**
 * -log softmax(logits)[target] over the last axis, in nats. The gradient, softmax minus one-hot, is computed
 * from the logits, so that no second array of their size is kept.
 */
const CrossEntropy: Op = {
  name: 'CrossEntropy',
  cost: { ...streamingCost, extraPasses: 2 },
  castPolicy: 'float32',
  onnx: null,
  infer: ([logits, targets]) =>
    isFloat(logits!) && isIndexType(targets!) && sameShape(logits!.shape.slice(0, -1), targets!.shape)
      ? [{ dtype: logits!.dtype, shape: targets!.shape }]
      : 'the targets do not fit the logits',
  backward: (g, { inputs: [logits, targets] }) => {
    const ids = unsqueeze(targets!, [-1]);
    const minusOne = full(ids.shape, -1, g.dtype);
    // Scaled last: a constant scale then becomes part of the products that read the gradient.
    return [mul(scatterAdd(softmax(logits!), ids, minusOne, -1), unsqueeze(g, [-1])), null];
  },
  lower: ([logits, targets]) => {
    const picked = gatherElements(logSoftmax(logits!), unsqueeze(targets!, [-1]), -1);
    return [neg(squeeze(picked, [-1]))];
  },
};

export const softmaxOps = { Softmax, LogSoftmax, CrossEntropy };

const noAttrs: Attrs = {};
export const softmax = (x: Value, axis = -1): Value =>
  emitOne(Softmax, [x], { axis: normalizeAxis(axis, x.shape.length) });
export const logSoftmax = (x: Value, axis = -1): Value =>
  emitOne(LogSoftmax, [x], { axis: normalizeAxis(axis, x.shape.length) });

/** The loss of each target in nats: logits [..., vocab], integer targets [...] → [...]. */
export const crossEntropy = (logits: Value, targets: Value): Value =>
  emitOne(CrossEntropy, [logits, targets], noAttrs);
