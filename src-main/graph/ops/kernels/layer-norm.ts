/**
 * @file Layer norm by one kernel in each direction, with its shift and the addition of the residual stream before it.
 */
import { emit, type Op, type TensorType, type Value } from '../../graph.ts';
import { inKernelDomain } from '../../kernels.ts';
import { streamingCost } from '../../op-cost.ts';
import { sameShape } from '../../shapes.ts';
import { add, mul, sub } from '../elementwise.ts';
import { normOps } from '../norm.ts';
import { mean, sum } from '../reduce.ts';
import { exact, stored } from './float32.ts';
import { areLike, blocksFor, fitsRows, perRow, sumRows } from './norm.ts';

type Epsilon = { readonly eps: number };

const fits = (x: TensorType, gain: TensorType, shift: TensorType | undefined): boolean =>
  fitsRows(x, gain) && (shift === undefined || fitsRows(x, shift));

/**
 * `LayerNorm` by a kernel: x [..., width], gain [width] and perhaps shift [width] → the norm with its shift, the mean
 * of each row, and 1 / sqrt(variance + eps).
 */
const FusedLayerNorm: Op<Epsilon> = {
  name: 'FusedLayerNorm',
  kernel: 'norm',
  cost: streamingCost,
  castPolicy: 'promote',
  onnx: inKernelDomain,
  infer: ([x, gain, shift]) =>
    fits(x!, gain!, shift) ? [x!, perRow(x!), perRow(x!)] : 'the gain or the shift does not fit',
  backward: (g, { inputs: [x, gain, shift], outputs: [, center, factor] }) =>
    gradients([g, x!, gain!, center!, factor!], shift !== undefined),
  lower: ([x, gain, shift], { eps }) => normInFloat32(x!, gain!, shift, eps),
};

/**
 * The sum of x and residual [..., width], its layer norm with gain [width] and perhaps shift [width], and the norm's
 * mean and factor in each row.
 */
const AddLayerNorm: Op<Epsilon> = {
  name: 'AddLayerNorm',
  kernel: 'norm',
  cost: streamingCost,
  castPolicy: 'promote',
  onnx: inKernelDomain,
  infer: ([x, residual, gain, shift]) =>
    fits(x!, gain!, shift) && areLike(x!, [residual!])
      ? [x!, x!, perRow(x!), perRow(x!)]
      : 'the residual, the gain or the shift does not fit',
  backward: (_, { inputs, outputs: [total, , center, factor], gradOutputs: [gTotal, gNorm] }) => {
    const [, , gain, shift] = inputs;
    if (!gNorm) return [gTotal!, gTotal!, null, ...(shift ? [null] : [])];
    const parts = [gNorm, total!, gain!, center!, factor!];
    const [dx, ...others] = gradients(gTotal ? [...parts, gTotal] : parts, shift !== undefined);
    return [dx!, dx!, ...others];
  },
  lower: ([x, residual, gain, shift], { eps }) => {
    const total = add(x!, residual!);
    return [total, ...normInFloat32(total, gain!, shift, eps)];
  },
};

function normInFloat32(x: Value, gain: Value, shift: Value | undefined, eps: number): readonly Value[] {
  const [y, center, factor] = emit(normOps.LayerNorm, [exact(x), exact(gain)], { eps }) as [
    Value,
    Value,
    Value,
  ];
  return [stored(shift ? add(y, exact(shift)) : y, x), center, factor];
}

type Parts = { readonly blocks: number; readonly shift: boolean };

/** The gradients of the norm's input, of its gain, and of its shift if it has one. */
function gradients(inputs: readonly Value[], shift: boolean): readonly Value[] {
  const blocks = blocksFor(inputs[1]!);
  const [dx, ...partial] = emit(LayerNormGradient, inputs, { blocks, shift });
  return [dx!, ...partial.map((v) => sum(v, [0]))];
}

/**
 * The gradients of a layer norm, given the gradient of its output g [..., width], its input x, gain, mean and factor,
 * and perhaps another gradient of x, which is added. The gradients of gain and shift are returned in `blocks` parts,
 * as those of `RmsNormGradient` are.
 */
const LayerNormGradient: Op<Parts> = {
  name: 'LayerNormGradient',
  kernel: 'norm',
  cost: streamingCost,
  castPolicy: 'promote',
  float32Inputs: [3, 4],
  onnx: inKernelDomain,
  backward: null,
  infer: ([g, x, gain, center, factor, other], { blocks, shift }) => {
    const hasStatistics = [center, factor].every((v) => sameShape(v!.shape, perRow(x!).shape));
    if (!areLike(x!, [g!, other ?? g!]) || !hasStatistics || !fitsRows(x!, gain!))
      return 'the gradients do not fit';
    const partial: TensorType = { dtype: 'float32', shape: [blocks, x!.shape.at(-1)!] };
    return shift ? [x!, partial, partial] : [x!, partial];
  },
  lower: ([g, x, gain, center, factor, other], { blocks, shift }) => {
    const normalized = mul(sub(exact(x!), center!), factor!);
    const gradient = exact(g!);
    const scaled = mul(gradient, exact(gain!));
    const meanOfRow = (v: Value): Value => mean(v, [-1], { keepdim: true });
    const projection = mul(normalized, meanOfRow(mul(scaled, normalized)));
    const dx = mul(factor!, sub(sub(scaled, meanOfRow(scaled)), projection));
    const total = other ? add(dx, exact(other)) : dx;
    const dGain = sumRows(mul(gradient, normalized), blocks);
    return [stored(total, x!), dGain, ...(shift ? [sumRows(gradient, blocks)] : [])];
  },
};

export const layerNormKernelOps = { FusedLayerNorm, AddLayerNorm, LayerNormGradient };

/** The layer norm of `x` with its shift, the rows' means and factors, by a kernel. */
export const fusedLayerNorm = (
  x: Value,
  gain: Value,
  shift: Value | undefined,
  eps: number,
): readonly Value[] => emit(FusedLayerNorm, shift ? [x, gain, shift] : [x, gain], { eps });

/** The sum of `x` and `residual`, its layer norm with its shift, the means and the factors, by a kernel. */
export const addLayerNorm = (
  x: Value,
  residual: Value,
  gain: Value,
  shift: Value | undefined,
  eps: number,
): readonly Value[] => emit(AddLayerNorm, shift ? [x, residual, gain, shift] : [x, residual, gain], { eps });
