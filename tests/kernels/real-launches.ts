/** @file The launches of each kernel in the training of a model of 1.1 B parameters with heads of 128 in bfloat16. */
import { opOf } from '../../src-main/engine/kernels/index.ts';
import type { Kernel, Launch } from '../../src-main/engine/kernels/kernel.ts';
import { emit, input, type Attrs } from '../../src-main/graph/graph.ts';
import type { KernelOpName } from '../../src-main/graph/ops/kernels/index.ts';
import type { DType } from '../../src-main/tensor/dtype.ts';

type Case = { readonly inputs: readonly (readonly [DType, readonly number[]])[]; readonly attrs?: Attrs };

const x = ['bfloat16', [8, 1024, 2048]] as const;
const wide = ['bfloat16', [8, 1024, 5632]] as const;
const logits = ['bfloat16', [8192, 32_000]] as const;
const rows = ['float32', [8192]] as const;
const state = ['float32', [2 ** 24]] as const;
const scalar = ['float32', []] as const;
const keys = ['bfloat16', [8, 1024, 512]] as const;
const statistics = ['float32', [8, 16, 1024]] as const;
const heads = { queryHeads: 16, keyHeads: 4, scale: 0.088, window: 0, softcap: 0 };
const gain = ['bfloat16', [2048]] as const;
const factor = ['float32', [8, 1024, 1]] as const;
const gradients = [x, x, keys, keys, statistics, statistics];

const cases: Readonly<Record<KernelOpName, Case>> = {
  FusedRmsNorm: { inputs: [x, gain], attrs: { eps: 1e-5 } },
  AddRmsNorm: { inputs: [x, x, gain], attrs: { eps: 1e-5 } },
  RmsNormGradient: { inputs: [x, x, gain, factor, x], attrs: { blocks: 512 } },
  FusedLayerNorm: { inputs: [x, gain, gain], attrs: { eps: 1e-5 } },
  AddLayerNorm: { inputs: [x, x, gain, gain], attrs: { eps: 1e-5 } },
  LayerNormGradient: { inputs: [x, x, gain, factor, factor, x], attrs: { blocks: 512, shift: true } },
  GatedActivation: { inputs: [wide, wide], attrs: { activation: 'silu' } },
  GatedActivationGradient: { inputs: [wide, wide, wide], attrs: { activation: 'silu' } },
  FusedCrossEntropy: { inputs: [logits, ['int32', [8192]]] },
  CrossEntropyGradient: { inputs: [logits, ['int32', [8192]], rows, rows] },
  FusedAdamW: {
    inputs: [...Array<typeof state>(4).fill(state), ...Array<typeof scalar>(7).fill(scalar)],
    attrs: { beta1: 0.9, beta2: 0.95 },
  },
  FlashAttention: { inputs: [x, keys, keys], attrs: heads },
  AttentionDelta: { inputs: [x, x], attrs: { queryHeads: heads.queryHeads } },
  FlashQueryGradient: { inputs: gradients, attrs: heads },
  FlashKeyGradient: { inputs: gradients, attrs: heads },
};

const wideX = ['bfloat16', [8, 1024, 2048]] as const;
const wideKeys = ['bfloat16', [8, 1024, 256]] as const;
const wideStatistics = ['float32', [8, 8, 1024]] as const;
const wideHeads = { ...heads, queryHeads: 8, keyHeads: 1 };
const wideGradients = [wideX, wideX, wideKeys, wideKeys, wideStatistics, wideStatistics];

/** The same with heads of 256, as Gemma has. */
const wideCases: Readonly<Partial<Record<KernelOpName, Case>>> = {
  FlashAttention: { inputs: [wideX, wideKeys, wideKeys], attrs: wideHeads },
  FlashQueryGradient: { inputs: wideGradients, attrs: wideHeads },
  FlashKeyGradient: { inputs: wideGradients, attrs: wideHeads },
};

/** The launch of a kernel in such a training. */
export const launchOf = (kernel: Kernel): Launch => createLaunch(kernel, cases[kernel.op]);

/** Every launch of a kernel, by name. */
export function launchesOf(kernel: Kernel): readonly (readonly [name: string, launch: Launch])[] {
  const wide = wideCases[kernel.op];
  const launches = [[kernel.op, launchOf(kernel)]] as const;
  return wide ? [...launches, [`${kernel.op}, heads of 256`, createLaunch(kernel, wide)]] : launches;
}

function createLaunch(kernel: Kernel, { inputs, attrs = {} }: Case): Launch {
  const values = inputs.map(([dtype, shape], i) => input(`x${i}`, dtype, shape));
  return kernel.launch(emit(opOf(kernel), values, attrs)[0]!.node!);
}
