/** @file Samples of the operators of the domain `cambium`. */
import { constant, emit, emitOne, type Value } from '../../src-main/graph/graph.ts';
import { canFlash, flashAttention } from '../../src-main/graph/ops/kernels/attention.ts';
import { fusedAdamW } from '../../src-main/graph/ops/kernels/adamw.ts';
import { gatedActivation } from '../../src-main/graph/ops/kernels/gate.ts';
import { kernelOps, type KernelOpName } from '../../src-main/graph/ops/kernels/index.ts';
import { fusedCrossEntropy } from '../../src-main/graph/ops/kernels/loss.ts';
import { addLayerNorm, fusedLayerNorm } from '../../src-main/graph/ops/kernels/layer-norm.ts';
import { addRmsNorm, fusedRmsNorm } from '../../src-main/graph/ops/kernels/norm.ts';
import type { DType } from '../../src-main/tensor/dtype.ts';
import type { Feed, Sample } from './op-samples.ts';

/** How op-samples.ts makes inputs. */
interface Makers {
  readonly sample: (build: Sample['build'], ...feeds: Feed[]) => Sample;
  readonly floats: (...shape: number[]) => Feed;
  readonly positives: (...shape: number[]) => Feed;
  readonly integers: (end: number, dtype: DType, ...shape: number[]) => Feed;
}

const heads = { queryHeads: 4, keyHeads: 2, scale: 0.4, window: 0, softcap: 0 };

export const kernelSamples = ({
  sample,
  floats,
  positives,
  integers,
}: Makers): Readonly<Record<KernelOpName, readonly Sample[]>> => ({
  FusedRmsNorm: [
    sample((x, gain) => fusedRmsNorm(x, gain, 0.1)[0]!, floats(2, 3, 4), floats(4)),
    sample((x, gain) => fusedRmsNorm(x, gain, 1e-5)[0]!, floats(5), floats(5)),
  ],
  AddRmsNorm: [
    sample(
      (x, residual, gain) => addRmsNorm(x, residual, gain, 0.1).slice(0, 2),
      floats(2, 3, 4),
      floats(2, 3, 4),
      floats(4),
    ),
    sample(
      (x, residual, gain) => addRmsNorm(x, residual, gain, 0.1)[1]!,
      floats(3, 2),
      floats(3, 2),
      floats(2),
    ),
  ],
  RmsNormGradient: [
    sample(
      (...inputs) => emit(kernelOps.RmsNormGradient, inputs, { blocks: 2 }),
      floats(5, 4),
      floats(5, 4),
      floats(4),
      positives(5, 1),
    ),
    sample(
      (...inputs) => emit(kernelOps.RmsNormGradient, inputs, { blocks: 4 }),
      floats(2, 2, 3),
      floats(2, 2, 3),
      floats(3),
      positives(2, 2, 1),
      floats(2, 2, 3),
    ),
  ],
  FusedLayerNorm: [
    sample(
      (x, gain, shift) => fusedLayerNorm(x, gain, shift, 0.1)[0]!,
      floats(2, 3, 4),
      floats(4),
      floats(4),
    ),
    sample((x, gain) => fusedLayerNorm(x, gain, undefined, 1e-5)[0]!, floats(5), floats(5)),
  ],
  AddLayerNorm: [
    sample(
      (x, residual, gain, shift) => addLayerNorm(x, residual, gain, shift, 0.1).slice(0, 2),
      floats(2, 3, 4),
      floats(2, 3, 4),
      floats(4),
      floats(4),
    ),
    sample(
      (x, residual, gain) => addLayerNorm(x, residual, gain, undefined, 0.1)[1]!,
      floats(3, 2),
      floats(3, 2),
      floats(2),
    ),
  ],
  LayerNormGradient: [
    sample(
      (...inputs) => emit(kernelOps.LayerNormGradient, inputs, { blocks: 2, shift: true }),
      floats(5, 4),
      floats(5, 4),
      floats(4),
      floats(5, 1),
      positives(5, 1),
    ),
    sample(
      (...inputs) => emit(kernelOps.LayerNormGradient, inputs, { blocks: 4, shift: false }),
      floats(2, 2, 3),
      floats(2, 2, 3),
      floats(3),
      floats(2, 2, 1),
      positives(2, 2, 1),
      floats(2, 2, 3),
    ),
  ],
  GatedActivation: (['silu', 'gelu', 'gelu_tanh'] as const).map((activation) =>
    sample((gate, up) => gatedActivation(gate, up, activation), floats(2, 3), floats(2, 3)),
  ),
  GatedActivationGradient: (['silu', 'gelu', 'gelu_tanh'] as const).map((activation) =>
    sample(
      (...inputs) => emit(kernelOps.GatedActivationGradient, inputs, { activation }),
      floats(2, 3),
      floats(2, 3),
      floats(2, 3),
    ),
  ),
  FusedCrossEntropy: [
    sample(fusedCrossEntropy, floats(4, 6), integers(6, 'int64', 4)),
    sample(fusedCrossEntropy, floats(2, 3, 5), integers(5, 'int32', 2, 3)),
  ],
  CrossEntropyGradient: [
    sample(
      (...inputs) => emitOne(kernelOps.CrossEntropyGradient, inputs, {}),
      floats(4, 6),
      integers(6, 'int64', 4),
      positives(4),
      floats(4),
    ),
  ],
  FusedAdamW: [0, 1].map((on) =>
    sample(
      (weights, expAvg, expAvgSq, gradient, clipScale, stepSize) => {
        const tensors = { weights: weights!, expAvg: expAvg!, expAvgSq: expAvgSq!, gradient: gradient! };
        const scalars = {
          on: constant(on),
          clipScale: clipScale!,
          decay1: clipScale!,
          decay2: clipScale!,
          stepSize: stepSize!,
          epsilon: stepSize!,
          weightDecay: stepSize!,
        };
        const { weightSquares, stepSquares, ...state } = fusedAdamW(tensors, scalars, {
          beta1: 0.9,
          beta2: 0.5,
        });
        return [...Object.values(state), weightSquares, stepSquares];
      },
      floats(5),
      floats(5),
      positives(5),
      floats(5),
      positives(),
      positives(),
    ),
  ),
  FlashAttention: [
    sample((q, k, v) => flash(q!, k!, v!), floats(1, 3, 64), floats(1, 3, 32), floats(1, 3, 32)),
    sample(
      (q, k, v, documents) => flashAttention(q!, k!, v!, documents, { ...heads, window: 2, softcap: 1.5 }),
      floats(2, 4, 8),
      floats(2, 4, 4),
      floats(2, 4, 4),
      integers(2, 'int32', 2, 4),
    ),
  ],
  AttentionDelta: [
    sample(
      (...inputs) => emitOne(kernelOps.AttentionDelta, inputs, { queryHeads: 2 }),
      floats(2, 3, 8),
      floats(2, 3, 8),
    ),
  ],
  FlashQueryGradient: [gradientSample('FlashQueryGradient', { sample, floats, positives, integers })],
  FlashKeyGradient: [gradientSample('FlashKeyGradient', { sample, floats, positives, integers })],
});

/** A head of 16 is one that the kernels have. */
function flash(q: Value, k: Value, v: Value): Value {
  if (!canFlash({ ...q, shape: [1, 3, 4, 16] }, { ...v, shape: [1, 3, 2, 16] }))
    throw new Error('no such kernel');
  return flashAttention(q, k, v, undefined, heads);
}

const gradientSample = (op: KernelOpName, { sample, floats, positives }: Makers): Sample =>
  sample(
    (...inputs) => emit(kernelOps[op] as never, inputs, { ...heads, softcap: 2 }),
    floats(1, 3, 8),
    floats(1, 3, 8),
    floats(1, 3, 4),
    floats(1, 3, 4),
    positives(1, 4, 3),
    floats(1, 4, 3),
  );
