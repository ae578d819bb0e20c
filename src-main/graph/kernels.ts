/** @file The groups of Cambium's own CUDA kernels, and which of them a program uses. */

/**
 * A group is used as a whole, forward and backward pass alike:
 * - `norm`: RMS norm and layer norm, with the addition before it and the shift after it.
 * - `gate`: SwiGLU and GeGLU.
 * - `loss`: the cross entropy.
 * - `optimizer`: AdamW.
 * - `attention`: FlashAttention.
 */
export const kernelGroups = ['norm', 'gate', 'loss', 'optimizer', 'attention'] as const;
export type KernelGroup = (typeof kernelGroups)[number];

/** The groups that a program may use. */
export type KernelChoice = ReadonlySet<KernelGroup>;

/** No kernels: every operator of the domain `cambium` is computed by others. */
export const noKernels: KernelChoice = new Set();
export const allKernels: KernelChoice = new Set(kernelGroups);

/** The ONNX domain of the operators that Cambium's own kernels compute. */
export const kernelDomain = 'cambium';

/** The ONNX form of an operator that has a kernel: its attributes are compiled into the kernel. */
export const inKernelDomain = () => ({ domain: kernelDomain, attrs: {} }) as const;
