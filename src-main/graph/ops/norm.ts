/**
 * @file RMS norm and layer norm with their gain. As single operators they have leaner gradients than the
 * operators they consist of.
 */
import { emit, lazyConstant, type Op, type TensorType, type Value } from '../graph.ts';
import { streamingCost } from '../op-cost.ts';
import { sameShape } from '../shapes.ts';
import { isFloat } from '../types.ts';
import { add, mul, reciprocal, sqrt, square, sub } from './elementwise.ts';
import { cast } from './logic.ts';
import { matmul } from './matmul.ts';
import { reshape } from './movement.ts';
import { mean } from './reduce.ts';

type Epsilon = { readonly eps: number };

const lastAxis = [-1];
const keepdim = { keepdim: true } as const;
const meanOfRow = (x: Value): Value => mean(x, lastAxis, keepdim);

/** The norm of `x`, and `statistics` float32 numbers for each row. */
const inferNorm =
  (statistics: number): Op<Epsilon>['infer'] =>
  ([x, gain]) => {
    if (!isFloat(x!) || x!.shape.length === 0) return 'not a float with at least one axis';
    if (!sameShape(gain!.shape, x!.shape.slice(-1)) || gain!.dtype !== x!.dtype)
      return 'the gain does not fit';
    const perRow: TensorType = { dtype: 'float32', shape: [...x!.shape.slice(0, -1), 1] };
    return [x!, ...Array.from({ length: statistics }, () => perRow)];
  };

const normCost = { ...streamingCost, extraPasses: 3 } as const;

/**
 * The part of a gradient that changes the length of the rows of `normalized`: their mean product with
 * `g` · gain. `products` is `g` · `normalized`.
 */
function projectionOf(products: Value, normalized: Value, gain: Value): Value {
  const width = gain.shape[0]!;
  const rows = reshape(products, [-1, width]);
  const perRow = matmul(rows, reshape(gain, [width, 1]), { alpha: 1 / width });
  return mul(normalized, reshape(perRow, [...products.shape.slice(0, -1), 1]));
}

/**
 * gain · x / sqrt(mean(x²) + eps) over the last axis (Zhang and Sennrich 2019), and 1 / sqrt(mean(x²) + eps):
 * x [..., width], gain [width].
 */
const RmsNorm: Op<Epsilon> = {
  name: 'RmsNorm',
  cost: normCost,
  castPolicy: 'float32',
  infer: inferNorm(1),
  backward: (g, { inputs: [x, gain], outputs: [, factor] }) => {
    const normalized = mul(x!, factor!);
    const products = mul(g, normalized);
    const projection = projectionOf(products, normalized, gain!);
    return [mul(factor!, sub(mul(g, gain!), projection)), products];
  },
  onnx: ({ attrs: { eps } }) => ({
    op: 'SimplifiedLayerNormalization',
    attrs: { axis: -1, epsilon: { float: eps } },
  }),
  lower: ([x, gain], { eps }) => {
    const exact = cast(x!, 'float32');
    const factor = reciprocal(sqrt(add(meanOfRow(square(exact)), eps)));
    return [mul(cast(mul(exact, factor), x!.dtype), gain!), factor];
  },
};

/**
 * gain · (x - mean) / sqrt(variance + eps) over the last axis (Ba et al. 2016), the mean, and
 * 1 / sqrt(variance + eps): x [..., width], gain [width].
 */
const LayerNorm: Op<Epsilon> = {
  name: 'LayerNorm',
  cost: normCost,
  castPolicy: 'float32',
  infer: inferNorm(2),
  backward: (g, { inputs: [x, gain], outputs: [, center, factor] }) => {
    const normalized = mul(sub(x!, center!), factor!);
    const products = mul(g, normalized);
    const projection = projectionOf(products, normalized, gain!);
    const scaled = mul(g, gain!);
    return [mul(factor!, sub(sub(scaled, meanOfRow(scaled)), projection)), products];
  },
  onnx: ({ attrs: { eps } }) => ({
    op: 'LayerNormalization',
    attrs: { axis: -1, epsilon: { float: eps } },
  }),
  lower: ([x, gain], { eps }) => {
    const exact = cast(x!, 'float32');
    const center = meanOfRow(exact);
    const [y, factor] = emit(RmsNorm, [cast(sub(exact, center), x!.dtype), gain!], { eps }) as [Value, Value];
    return [y, center, factor];
  },
};

export const normOps = { RmsNorm, LayerNorm };

/** A gain of ones for the rows of `x`. */
const unitGain = ({ dtype, shape }: Value): Value => {
  const size = shape.at(-1)!;
  return lazyConstant('ones', dtype, [size], () => new Float32Array(size).fill(1));
};

/** A norm over the last axis of `x`. Default gain: ones. */
export type Norm = (x: Value, eps: number, gain?: Value) => Value;

/** gain · x / sqrt(mean(x²) + eps). */
export const rmsNorm: Norm = (x, eps, gain = unitGain(x)) => emit(RmsNorm, [x, gain], { eps })[0]!;

/** gain · (x - mean) / sqrt(variance + eps). */
export const layerNorm: Norm = (x, eps, gain = unitGain(x)) => emit(LayerNorm, [x, gain], { eps })[0]!;
