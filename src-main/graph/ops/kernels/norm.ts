/** @file RMS norm by one kernel in each direction, with the addition of the residual stream before it. */
import { countOf, emit, type Op, type TensorType, type Value } from '../../graph.ts';
import { inKernelDomain } from '../../kernels.ts';
import { streamingCost } from '../../op-cost.ts';
import { sameShape } from '../../shapes.ts';
import { isFloat } from '../../types.ts';
import { add, mul, sub } from '../elementwise.ts';
import { normOps } from '../norm.ts';
import { pad, reshape } from '../movement.ts';
import { mean, sum } from '../reduce.ts';
import { exact, stored } from './float32.ts';

type Epsilon = { readonly eps: number };

/** The widest rows of the kernels: the sums of gain and shift of a block, float32, fit into 99 KB of shared memory. */
export const widestRow = 12_288;

const rowsOf = (x: TensorType): number => countOf(x.shape.slice(0, -1));

/**
 * The blocks of the backward kernel for x: enough to fill any GPU of today, more where rows are short, and so few that
 * their sums are small beside the rows.
 */
export const blocksFor = (x: TensorType): number =>
  Math.min(Math.max(512, Math.ceil(2 ** 19 / x.shape.at(-1)!)), rowsOf(x));
/** One float32 number for each row of x. */
export const perRow = (x: TensorType): TensorType => ({
  dtype: 'float32',
  shape: [...x.shape.slice(0, -1), 1],
});

/** Whether `gain` can scale the rows of x. */
export const fitsRows = (x: TensorType, gain: TensorType): boolean =>
  isFloat(x) &&
  x.shape.length > 0 &&
  sameShape(gain.shape, x.shape.slice(-1)) &&
  gain.dtype === x.dtype &&
  countOf(x.shape) > 0;

/** Whether `others` have the type of x. */
export const areLike = (x: TensorType, others: readonly TensorType[]): boolean =>
  others.every(({ shape, dtype }) => sameShape(shape, x.shape) && dtype === x.dtype);

/** `RmsNorm` by a kernel: x [..., width], gain [width] → the norm and 1 / sqrt(mean(x²) + eps). */
const FusedRmsNorm: Op<Epsilon> = {
  name: 'FusedRmsNorm',
  kernel: 'norm',
  cost: streamingCost,
  castPolicy: 'promote',
  onnx: inKernelDomain,
  infer: ([x, gain]) => (fitsRows(x!, gain!) ? [x!, perRow(x!)] : 'the gain does not fit'),
  backward: (g, { inputs: [x, gain], outputs: [, factor] }) => gradients([g, x!, gain!, factor!]),
  lower: (inputs, { eps }) => normInFloat32(inputs[0]!, inputs[1]!, eps),
};

/**
 * The sum of x and residual [..., width], its RMS norm with the gain [width], and the norm's factor in each row.
 */
const AddRmsNorm: Op<Epsilon> = {
  name: 'AddRmsNorm',
  kernel: 'norm',
  cost: streamingCost,
  castPolicy: 'promote',
  onnx: inKernelDomain,
  infer: ([x, residual, gain]) =>
    fitsRows(x!, gain!) && areLike(x!, [residual!])
      ? [x!, x!, perRow(x!)]
      : 'the residual or the gain does not fit',
  backward: (_, { inputs: [, , gain], outputs: [total, , factor], gradOutputs: [gTotal, gNorm] }) => {
    if (!gNorm) return [gTotal!, gTotal!, null];
    const parts = [gNorm, total!, gain!, factor!];
    const [dx, dGain] = gradients(gTotal ? [...parts, gTotal] : parts) as [Value, Value];
    return [dx, dx, dGain];
  },
  lower: ([x, residual, gain], { eps }) => {
    const total = add(x!, residual!);
    return [total, ...normInFloat32(total, gain!, eps)];
  },
};

function normInFloat32(x: Value, gain: Value, eps: number): readonly Value[] {
  const [y, factor] = emit(normOps.RmsNorm, [exact(x), exact(gain)], { eps }) as [Value, Value];
  return [stored(y, x), factor];
}

type Blocks = { readonly blocks: number };

/** The gradients of the norm's input and of its gain. */
function gradients(inputs: readonly Value[]): readonly Value[] {
  const blocks = blocksFor(inputs[1]!);
  const [dx, partial] = emit(RmsNormGradient, inputs, { blocks }) as [Value, Value];
  return [dx, sum(partial, [0])];
}

/**
 * The gradients of an RMS norm, given the gradient of its output g [..., width], its input x, gain and factor, and
 * perhaps another gradient of x, which is added. The gradient of the gain is returned in `blocks` parts: part i
 * sums the rows i, i + blocks, … in this order, so that equal inputs give equal bits.
 */
const RmsNormGradient: Op<Blocks> = {
  name: 'RmsNormGradient',
  kernel: 'norm',
  cost: streamingCost,
  castPolicy: 'promote',
  float32Inputs: [3],
  onnx: inKernelDomain,
  backward: null,
  infer: ([g, x, gain, factor, other], { blocks }) => {
    if (
      !areLike(x!, [g!, other ?? g!]) ||
      !fitsRows(x!, gain!) ||
      !sameShape(factor!.shape, perRow(x!).shape)
    )
      return 'the gradients do not fit';
    return [x!, { dtype: 'float32', shape: [blocks, x!.shape.at(-1)!] }];
  },
  lower: ([g, x, gain, factor, other], { blocks }) => {
    const [gradient, normalized] = [exact(g!), mul(exact(x!), factor!)];
    const products = mul(gradient, normalized);
    const scaled = mul(gradient, exact(gain!));
    const projection = mul(normalized, mean(mul(scaled, normalized), [-1], { keepdim: true }));
    const dx = mul(factor!, sub(scaled, projection));
    const total = other ? add(dx, exact(other)) : dx;
    return [stored(total, x!), sumRows(products, blocks)];
  },
};

/** Sums of the rows i, i + blocks, … of x [..., width] for each i: [blocks, width]. */
export function sumRows(x: Value, blocks: number): Value {
  const [rows, width] = [rowsOf(x), x.shape.at(-1)!];
  const missing = Math.ceil(rows / blocks) * blocks - rows;
  const flat = reshape(x, [rows, width]);
  const padded = missing > 0 ? pad(flat, [0, 0], [missing, 0]) : flat;
  return sum(reshape(padded, [-1, blocks, width]), [0]);
}

export const normKernelOps = { FusedRmsNorm, AddRmsNorm, RmsNormGradient };

/** The RMS norm of `x` and its factor, by a kernel. */
export const fusedRmsNorm = (x: Value, gain: Value, eps: number): readonly Value[] =>
  emit(FusedRmsNorm, [x, gain], { eps });

/** The sum of `x` and `residual`, its RMS norm and the factor, by a kernel. */
export const addRmsNorm = (x: Value, residual: Value, gain: Value, eps: number): readonly Value[] =>
  emit(AddRmsNorm, [x, residual, gain], { eps });
