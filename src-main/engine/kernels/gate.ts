/** @file SwiGLU and GeGLU and their gradients. One thread computes one vector. */
import type { GateActivation } from '../../graph/ops/kernels/gate.ts';
import type { KernelOpName } from '../../graph/ops/kernels/index.ts';
import { byteLengthOf, type DType } from '../../tensor/dtype.ts';
import { countElements } from '../../tensor/layout.ts';
import { typeCodes } from './elements.ts';
import { vectorOf, type Kernel, type TrialInput } from './kernel.ts';

const activationSource = String.raw`
#if ACTIVATION == 0
DEVICE float activate(float x) { return x / (1 + expf(-x)); }
DEVICE float slope(float x) {
  const float gate = 1 / (1 + expf(-x));
  return gate * (1 + x * (1 - gate));
}
#elif ACTIVATION == 1
DEVICE float activate(float x) { return 0.5f * x * (1 + erff(x * 0.70710678f)); }
DEVICE float slope(float x) {
  return 0.5f * (1 + erff(x * 0.70710678f)) + x * 0.39894228f * expf(-0.5f * x * x);
}
#else
DEVICE float bend(float x) { return 1 - 2 / (1 + expf(2 * 0.79788456f * x * (1 + 0.044715f * x * x))); }
DEVICE float activate(float x) { return 0.5f * x * (1 + bend(x)); }
DEVICE float slope(float x) {
  const float t = bend(x);
  return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * 0.79788456f * (1 + 3 * 0.044715f * x * x);
}
#endif
`;

const forwardSource = String.raw`${activationSource}
KERNEL void ENTRY(const element *gate, const element *up, element *y, u64 count) {
  const u64 i = ((u64)blockIdx.x * THREADS + threadIdx.x) * VECTOR;
  if (i >= count) return;
  const vector a = read(gate + i), b = read(up + i);
  vector out;
  for (int j = 0; j < VECTOR; j++) out.at[j] = element_of(activate(value_of(a.at[j])) * value_of(b.at[j]));
  write(y + i, out);
}
`;

const backwardSource = String.raw`${activationSource}
KERNEL void ENTRY(const element *g, const element *gate, const element *up, element *d_gate, element *d_up,
                  u64 count) {
  const u64 i = ((u64)blockIdx.x * THREADS + threadIdx.x) * VECTOR;
  if (i >= count) return;
  const vector gs = read(g + i), a = read(gate + i), b = read(up + i);
  vector to_gate, to_up;
  for (int j = 0; j < VECTOR; j++) {
    const float gradient = value_of(gs.at[j]), x = value_of(a.at[j]);
    to_gate.at[j] = element_of(gradient * value_of(b.at[j]) * slope(x));
    to_up.at[j] = element_of(gradient * activate(x));
  }
  write(d_gate + i, to_gate);
  write(d_up + i, to_up);
}
`;

const activations: readonly GateActivation[] = ['silu', 'gelu', 'gelu_tanh'];
const threads = 256;

const gateKernel = (op: KernelOpName, source: string, operands: number): Kernel => ({
  op,
  source,
  fastMath: false,
  types: ['float32', 'bfloat16', 'float16'],
  launch({ inputs, attrs }) {
    const { dtype, shape } = inputs[0]!;
    const count = countElements(shape);
    const vector = vectorOf(byteLengthOf(dtype, 1), count);
    const activation = activations.indexOf(attrs['activation'] as GateActivation);
    return {
      defines: { TYPE: typeCodes[dtype]!, VECTOR: vector, THREADS: threads, ACTIVATION: activation },
      grid: [Math.ceil(count / (threads * vector)), 1, 1],
      threads,
      sharedBytes: 0,
      scalars: [{ long: count }],
    };
  },
  trials: (type: DType) =>
    activations.flatMap((activation, i) =>
      [
        [4, 1023],
        [2, 512 + 8 * i],
      ].map((shape) => {
        const x: TrialInput = { dtype: type, shape, scale: 2 };
        const inputs = Array.from({ length: operands }, () => x);
        return { title: `${activation} of [${shape.join(', ')}]`, inputs, attrs: { activation } };
      }),
    ),
});

export const gateKernels: readonly Kernel[] = [
  gateKernel('GatedActivation', forwardSource, 2),
  gateKernel('GatedActivationGradient', backwardSource, 3),
];
