/** @file SwiGLU and GeGLU (Shazeer 2020) by one kernel in each direction. */
import { emit, emitOne, type Op, type Value } from '../../graph.ts';
import { inKernelDomain } from '../../kernels.ts';
import { streamingCost } from '../../op-cost.ts';
import { sameShape } from '../../shapes.ts';
import { isFloat } from '../../types.ts';
import { gelu, silu } from '../activation.ts';
import { add, erf, exp, mul, sigmoid, square, sub, tanh } from '../elementwise.ts';
import { exact, stored } from './float32.ts';

/** The activation of the gate. */
export type GateActivation = 'silu' | 'gelu' | 'gelu_tanh';
type Gated = { readonly activation: GateActivation };

const activate: Readonly<Record<GateActivation, (x: Value) => Value>> = {
  silu,
  gelu: (x) => gelu(x, 'none'),
  gelu_tanh: (x) => gelu(x, 'tanh'),
};

const tanhScale = Math.sqrt(2 / Math.PI);
const tanhCubic = 0.044715;

/** The derivatives of the activations. */
const slopes: Readonly<Record<GateActivation, (x: Value) => Value>> = {
  silu: (x) => {
    const gate = sigmoid(x);
    return mul(gate, add(mul(x, sub(1, gate)), 1));
  },
  gelu: (x) => {
    const density = mul(exp(mul(square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return add(add(mul(erf(mul(x, Math.SQRT1_2)), 0.5), 0.5), mul(x, density));
  },
  gelu_tanh: (x) => {
    const t = tanh(mul(mul(x, add(mul(square(x), tanhCubic), 1)), tanhScale));
    const inner = mul(add(mul(square(x), 3 * tanhCubic), 1), tanhScale);
    return add(mul(add(t, 1), 0.5), mul(mul(mul(x, 0.5), sub(1, square(t))), inner));
  },
};

const fit = (types: readonly { readonly dtype: string; readonly shape: readonly number[] }[]): boolean =>
  types.every((type) => type.dtype === types[0]!.dtype && sameShape(type.shape, types[0]!.shape));

/** activation(gate) · up. */
const GatedActivation: Op<Gated> = {
  name: 'GatedActivation',
  kernel: 'gate',
  cost: streamingCost,
  castPolicy: 'promote',
  onnx: inKernelDomain,
  infer: (types) => (isFloat(types[0]!) && fit(types) ? [types[0]!] : 'gate and values do not fit'),
  backward: (g, { inputs: [gate, up], attrs }) => emit(GatedActivationGradient, [g, gate!, up!], attrs),
  lower: ([gate, up], { activation }) => [stored(mul(activate[activation](exact(gate!)), exact(up!)), gate!)],
};

/** The gradients of gate and up, given that of activation(gate) · up. */
const GatedActivationGradient: Op<Gated> = {
  name: 'GatedActivationGradient',
  kernel: 'gate',
  cost: streamingCost,
  castPolicy: 'promote',
  onnx: inKernelDomain,
  backward: null,
  infer: (types) =>
    isFloat(types[0]!) && fit(types) ? [types[1]!, types[2]!] : 'gradient, gate and values do not fit',
  lower: ([g, gate, up], { activation }) => {
    const [gradient, x] = [exact(g!), exact(gate!)];
    const dGate = mul(mul(gradient, exact(up!)), slopes[activation](x));
    return [stored(dGate, gate!), stored(mul(gradient, activate[activation](x)), up!)];
  },
};

export const gateKernelOps = { GatedActivation, GatedActivationGradient };

/** activation(gate) · up, by a kernel. */
export const gatedActivation = (gate: Value, up: Value, activation: GateActivation): Value =>
  emitOne(GatedActivation, [gate, up], { activation });
