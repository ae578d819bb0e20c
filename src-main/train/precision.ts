/**
 * @file The one place that decides in which precision a run computes: what each device can do, how a graph is
 * brought there, and the loss scale that keeps float16's gradients in range.
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
import { lowered } from '../graph/onnx.ts';
import { mixed } from '../graph/passes/precision.ts';
import { simplify } from '../graph/passes/simplify.ts';

/**
 * What products compute in; weights, moments, gradients of the update, norms, softmax and loss are float32 in
 * each.
 */
export type Precision = 'float32' | 'bfloat16' | 'float16';
export const precisions: readonly Precision[] = ['float32', 'bfloat16', 'float16'];

/**
 * ONNX Runtime 1.30: its CPU kernels compute in float32 (float16 is cast there and back, bfloat16 has no
 * product), WebGPU has no bfloat16.
 */
export const precisionsOf: Readonly<Record<DeviceKind, readonly Precision[]>> = {
  cpu: ['float32'],
  webgpu: ['float32', 'float16'],
  cuda: ['float32', 'bfloat16', 'float16'],
};

/** Refuses `run/precision` where the device cannot compute so: never another precision in its place. */
export function checkPrecision(device: DeviceKind, precision: Precision): void {
  if (!precisionsOf[device].includes(precision))
    refuse('run/precision', { device, precision, possible: precisionsOf[device] });
}

/** A program as it is run: simplified, written in what the device has, and in its precision. */
export function inPrecision(graph: Graph, device: DeviceKind, precision: Precision): Graph {
  const plain = simplify(graph);
  return precision === 'float32' ? plain : simplify(mixed(lowered(plain, device), precision));
}

/** Whether the loss is scaled: float16's smallest numbers are larger than many gradients. */
export const isScaled = (precision: Precision): boolean => precision === 'float16';

/**
 * The state of dynamic loss scaling (Micikevicius et al. 2018): the factor, and how many updates in a row
 * were finite.
 */
export interface Scaling<T> {
  readonly factor: T;
  readonly good: T;
}
export const scalingNames: Scaling<string> = { factor: 'scaling/factor', good: 'scaling/good' };
/** Halved by an update that is not finite, which is skipped; doubled after so many that are; at least 1. */
export const scalingStart: Scaling<number> = { factor: 2 ** 16, good: 0 };
const interval = 1000;
const most = 2 ** 24;

export const scalingInputs = (): Scaling<Value> => ({
  factor: input(scalingNames.factor, 'float32', []),
  good: input(scalingNames.good, 'float32', []),
});

/**
 * The scaling after an update with this gradient norm. No host is asked: `update` leaves out a step whose
 * norm is not finite, in the graph.
 */
export function nextScaling({ factor, good }: Scaling<Value>, norm: Value): Readonly<Record<string, Value>> {
  const finite = isFinite(norm);
  const more = add(good, 1);
  const due = not(greater(constant(interval), more));
  const grown = where(greater(factor, most / 2), factor, mul(factor, 2));
  return {
    [scalingNames.factor]: where(finite, where(due, grown, factor), max(div(factor, 2), 1)),
    [scalingNames.good]: where(finite, where(due, 0, more), 0),
  };
}
