/** @file The cross entropy by one kernel in each direction: one pass over the logits, and no copy of them is kept. */
import { emit, emitOne, type Attrs, type Op, type Value } from '../../graph.ts';
import { inKernelDomain } from '../../kernels.ts';
import { streamingCost } from '../../op-cost.ts';
import { sameShape } from '../../shapes.ts';
import { isFloat, isIndexType } from '../../types.ts';
import { add, exp, log, mul, sub } from '../elementwise.ts';
import { cast } from '../logic.ts';
import { gatherElements, oneHot } from '../lookup.ts';
import { squeeze, unsqueeze } from '../movement.ts';
import { reduceMax, sum } from '../reduce.ts';
import { exact, stored } from './float32.ts';

const keepdim = { keepdim: true } as const;
const lastAxis = [-1];

/** logits [..., vocab], targets [...] → -log softmax(logits)[target] and log Σ exp(logits), float32 [...]. */
const FusedCrossEntropy: Op = {
  name: 'FusedCrossEntropy',
  kernel: 'loss',
  cost: streamingCost,
  castPolicy: 'promote',
  onnx: inKernelDomain,
  infer: ([logits, targets]) => {
    const isFitting =
      isFloat(logits!) && isIndexType(targets!) && sameShape(logits!.shape.slice(0, -1), targets!.shape);
    const perRow = { dtype: 'float32', shape: targets!.shape } as const;
    return isFitting ? [perRow, perRow] : 'the targets do not fit the logits';
  },
  backward: (g, { inputs: [logits, targets], outputs: [, logSum] }) => [
    emitOne(CrossEntropyGradient, [logits!, targets!, logSum!, g], {}),
    null,
  ],
  lower: ([logits, targets]) => {
    const x = exact(logits!);
    const largest = reduceMax(x, lastAxis, keepdim);
    const logSum = add(log(sum(exp(sub(x, largest)), lastAxis, keepdim)), largest);
    const picked = gatherElements(x, unsqueeze(targets!, lastAxis), -1);
    return [squeeze(sub(logSum, picked), lastAxis), squeeze(logSum, lastAxis)];
  },
};

/** (softmax(logits) - one-hot(target)) · g, given log Σ exp(logits) and the gradient g of each loss. */
const CrossEntropyGradient: Op = {
  name: 'CrossEntropyGradient',
  kernel: 'loss',
  cost: streamingCost,
  castPolicy: 'promote',
  float32Inputs: [2, 3],
  onnx: inKernelDomain,
  backward: null,
  infer: ([logits, targets, logSum, g]) =>
    isFloat(logits!) && [targets, logSum, g].every((v) => sameShape(v!.shape, logits!.shape.slice(0, -1)))
      ? [logits!]
      : 'the gradients do not fit the logits',
  lower: ([logits, targets, logSum, g]) => {
    const p = exp(sub(exact(logits!), unsqueeze(logSum!, lastAxis)));
    const hot = cast(oneHot(targets!, logits!.shape.at(-1)!), p.dtype);
    return [stored(mul(sub(p, hot), unsqueeze(g!, lastAxis)), logits!)];
  },
};

export const lossKernelOps = { FusedCrossEntropy, CrossEntropyGradient };

const noAttrs: Attrs = {};

/** The loss of each target in nats, float32, by a kernel. */
export const fusedCrossEntropy = (logits: Value, targets: Value): Value =>
  emit(FusedCrossEntropy, [logits, targets], noAttrs)[0]!;
