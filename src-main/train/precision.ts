/**
 * @file The precision of a run: what each device computes in, how a graph is brought there, and the loss scale
 * that keeps float16 gradients in range.
 */
import type { DeviceKind } from '../base/device.ts';
import { refuse } from '../base/errors.ts';
import {
  add,
  constant,
  div,
  greater,
  input,
  isFinite,
  max,
  mul,
  not,
  where,
  type Graph,
  type Value,
} from '../graph/ops/build.ts';
import { noKernels, type KernelChoice } from '../graph/kernels.ts';
import { lowerGraph } from '../graph/onnx.ts';
import { toMixedPrecision } from '../graph/passes/mixed-precision.ts';
import { simplify } from '../graph/passes/simplify.ts';

/**
 * The type of matrix products, and the devices that ONNX Runtime 1.30 computes it on: its CPU kernels have
 * float32 only, and WebGPU has no bfloat16.
 */
const precisionTable = {
  float32: { label: 'float32', devices: ['cpu', 'webgpu', 'cuda'] },
  bfloat16: { label: 'bfloat16', devices: ['cuda'] },
  float16: { label: 'float16 (with loss scaling)', devices: ['webgpu', 'cuda'] },
} as const satisfies Record<string, { readonly label: string; readonly devices: readonly DeviceKind[] }>;
export type Precision = keyof typeof precisionTable;

export const precisions = Object.keys(precisionTable) as readonly Precision[];
export const precisionLabels = Object.fromEntries(
  precisions.map((id) => [id, precisionTable[id].label]),
) as Readonly<Record<Precision, string>>;

/** The precisions that a device trains in. */
export const precisionsOf = (device: DeviceKind): readonly Precision[] =>
  precisions.filter((id) => (precisionTable[id].devices as readonly DeviceKind[]).includes(device));

/** Throws `run/precision` if the device cannot train in it. There is no fallback to another precision. */
export function checkPrecision(device: DeviceKind, precision: Precision): void {
  const possible = precisionsOf(device);
  if (!possible.includes(precision)) refuse('run/precision', { device, precision, possible });
}

/** The graph that is run: simplified, lowered to what the device and `kernels` have, and in its precision. */
export function inPrecision(
  graph: Graph,
  device: DeviceKind,
  precision: Precision,
  kernels: KernelChoice = noKernels,
): Graph {
  const simplified = simplify(graph);
  if (precision === 'float32') return simplified;
  const mixed = toMixedPrecision(lowerGraph(simplified, device, kernels), precision, device);
  return simplify(lowerGraph(mixed, device, kernels));
}

/** True if the loss is scaled: float16 cannot hold small gradients. */
export const usesLossScaling = (precision: Precision): boolean => precision === 'float16';

/** Dynamic loss scaling (Micikevicius et al. 2018). */
export interface LossScale<T> {
  readonly factor: T;
  /** Finite updates in a row. */
  readonly finiteUpdates: T;
}
export const lossScaleNames: LossScale<string> = {
  factor: 'scaling/factor',
  finiteUpdates: 'scaling/finiteUpdates',
};
export const initialLossScale: LossScale<number> = { factor: 2 ** 16, finiteUpdates: 0 };
/** Finite updates after which the factor doubles. */
const growthInterval = 1000;
const largestFactor = 2 ** 24;

export const lossScaleInputs = (): LossScale<Value> => ({
  factor: input(lossScaleNames.factor, 'float32', []),
  finiteUpdates: input(lossScaleNames.finiteUpdates, 'float32', []),
});

/**
 * The loss scale after an update with this gradient norm: halved (down to 1) if it is not finite, doubled after
 * `growthInterval` finite updates. The graph decides, without the host.
 */
export function nextLossScale(
  { factor, finiteUpdates }: LossScale<Value>,
  gradNorm: Value,
): Readonly<Record<string, Value>> {
  const finite = isFinite(gradNorm);
  const count = add(finiteUpdates, 1);
  const isDue = not(greater(constant(growthInterval), count));
  const doubled = where(greater(factor, largestFactor / 2), factor, mul(factor, 2));
  return {
    [lossScaleNames.factor]: where(finite, where(isDue, doubled, factor), max(div(factor, 2), 1)),
    [lossScaleNames.finiteUpdates]: where(finite, where(isDue, 0, count), 0),
  };
}
