/** @file The kernels of our own, by the operator that they compute. */
import { kernelOps, type KernelOpName } from '../../graph/ops/kernels/index.ts';
import type { KernelGroup } from '../../graph/kernels.ts';
import type { Op } from '../../graph/graph.ts';
import { adamwKernels } from './adamw.ts';
import { attentionKernels } from './attention.ts';
import { gateKernels } from './gate.ts';
import type { Kernel } from './kernel.ts';
import { layerNormKernels } from './layer-norm.ts';
import { lossKernels } from './loss.ts';
import { normKernels } from './norm.ts';

export const kernels: readonly Kernel[] = [
  ...normKernels,
  ...layerNormKernels,
  ...gateKernels,
  ...lossKernels,
  ...adamwKernels,
  ...attentionKernels,
];

const byOp = new Map(kernels.map((kernel) => [kernel.op, kernel]));

/** The kernel of an operator of the domain `cambium`. */
export const kernelOf = (op: string): Kernel => byOp.get(op as KernelOpName)!;

/** The row of the operator that a kernel computes. */
export const opOf = ({ op }: Kernel): Op => kernelOps[op] as unknown as Op;

export const groupOf = (kernel: Kernel): KernelGroup => opOf(kernel).kernel!;
