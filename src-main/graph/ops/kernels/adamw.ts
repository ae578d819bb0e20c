/** @file AdamW by one kernel: weights and moments are read and written once. */
import { emit, type Op, type Value } from '../../graph.ts';
import { inKernelDomain } from '../../kernels.ts';
import { streamingCost } from '../../op-cost.ts';
import { sameShape } from '../../shapes.ts';
import { add, div, mul, sqrt, square, sub } from '../elementwise.ts';
import { greater, where } from '../logic.ts';
import { concat, pad, reshape, split } from '../movement.ts';
import { sum } from '../reduce.ts';

/** The state of a bucket and its gradient, [n] each. */
export interface AdamWTensors<T> {
  readonly weights: T;
  readonly expAvg: T;
  readonly expAvgSq: T;
  readonly gradient: T;
}

/** What all elements have in common, as scalars of the graph. */
export interface AdamWScalars<T> {
  /** 1; 0 if the step is skipped: then the gradient does not count, not even one that is not finite. */
  readonly on: T;
  /** Factor of the gradient: clipping and the mean over micro-batches. */
  readonly clipScale: T;
  readonly decay1: T;
  readonly decay2: T;
  /** lr · √b2 / b1. */
  readonly stepSize: T;
  /** √b2 · eps. */
  readonly epsilon: T;
  /** lr · weight decay, or 0. */
  readonly weightDecay: T;
}

const tensorNames = ['weights', 'expAvg', 'expAvgSq', 'gradient'] as const;
const scalarNames = [
  'on',
  'clipScale',
  'decay1',
  'decay2',
  'stepSize',
  'epsilon',
  'weightDecay',
] as const satisfies readonly (keyof AdamWScalars<Value>)[];

type Betas = { readonly beta1: number; readonly beta2: number };

/** Elements that one block of the kernel updates. */
export const adamwBlock = 4096;

const blocksOf = (count: number): number => Math.max(1, Math.ceil(count / adamwBlock));

/**
 * One update of `AdamWTensors` with `AdamWScalars`, in this order: the next weights and moments, and for each block
 * of `adamwBlock` elements the sums of the squares of the step (without weight decay) and of the next weights.
 */
const FusedAdamW: Op<Betas> = {
  name: 'FusedAdamW',
  kernel: 'optimizer',
  cost: streamingCost,
  castPolicy: 'float32',
  onnx: inKernelDomain,
  backward: null,
  infer: (inputs) => {
    const state = inputs.slice(0, tensorNames.length);
    const scalars = inputs.slice(tensorNames.length);
    const [weights] = state;
    const isFitting =
      scalars.length === scalarNames.length &&
      weights!.shape.length === 1 &&
      inputs.every((v) => v.dtype === 'float32') &&
      state.every((v) => sameShape(v.shape, weights!.shape)) &&
      scalars.every((v) => v.shape.length === 0);
    if (!isFitting) return 'the state, the gradient or the scalars do not fit';
    return [weights!, weights!, weights!, { dtype: 'float32', shape: [blocksOf(weights!.shape[0]!), 2] }];
  },
  lower: (inputs, { beta1, beta2 }) => {
    const [weights, expAvg, expAvgSq, gradient] = inputs as [Value, Value, Value, Value];
    const [on, clipScale, decay1, decay2, stepSize, epsilon, weightDecay] = inputs.slice(
      tensorNames.length,
    ) as [Value, Value, Value, Value, Value, Value, Value];
    const g = mul(where(greater(on, 0), gradient, 0), clipScale);
    const nextAvg = add(mul(expAvg, decay1), mul(g, 1 - beta1));
    const nextSq = add(mul(expAvgSq, decay2), mul(square(g), 1 - beta2));
    const step = div(mul(nextAvg, stepSize), add(sqrt(nextSq), epsilon));
    const next = sub(mul(weights, sub(1, weightDecay)), step);
    const sums = [step, next].map((v) => sumBlocks(square(v)));
    return [next, nextAvg, nextSq, concat(sums, 1)];
  },
};

/** Sums over blocks of `adamwBlock` elements: [blocks, 1]. */
function sumBlocks(x: Value): Value {
  const [count] = x.shape as [number];
  const blocks = blocksOf(count);
  const missing = blocks * adamwBlock - count;
  const padded = missing > 0 ? pad(x, [0], [missing]) : x;
  return sum(reshape(padded, [blocks, adamwBlock]), [1], { keepdim: true });
}

export const adamwKernelOps = { FusedAdamW };

/** What `fusedAdamW` returns. */
export interface AdamWUpdate extends Omit<AdamWTensors<Value>, 'gradient'> {
  readonly stepSquares: Value;
  readonly weightSquares: Value;
}

/** One update by AdamW, by a kernel, and the sums of the squares of the step and of the next weights. */
export function fusedAdamW(
  tensors: AdamWTensors<Value>,
  scalars: AdamWScalars<Value>,
  betas: Betas,
): AdamWUpdate {
  const inputs = [...tensorNames.map((name) => tensors[name]), ...scalarNames.map((name) => scalars[name])];
  const [weights, expAvg, expAvgSq, sums] = emit(FusedAdamW, inputs, betas) as [Value, Value, Value, Value];
  const totals = sum(sums, [0]);
  const [stepSquares, weightSquares] = split(totals, [1, 1], 0).map((total) => reshape(total, [])) as [
    Value,
    Value,
  ];
  return { weights, expAvg, expAvgSq, stepSquares, weightSquares };
}
