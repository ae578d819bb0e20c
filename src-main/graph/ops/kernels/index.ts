/** @file The operators of the domain `cambium`, each of which is one launch of one of our CUDA kernels. */
import { adamwKernelOps } from './adamw.ts';
import { attentionKernelOps } from './attention.ts';
import { gateKernelOps } from './gate.ts';
import { layerNormKernelOps } from './layer-norm.ts';
import { lossKernelOps } from './loss.ts';
import { normKernelOps } from './norm.ts';

export const kernelOps = {
  ...normKernelOps,
  ...layerNormKernelOps,
  ...gateKernelOps,
  ...lossKernelOps,
  ...adamwKernelOps,
  ...attentionKernelOps,
};
export type KernelOpName = keyof typeof kernelOps;
