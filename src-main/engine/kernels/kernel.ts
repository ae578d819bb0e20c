/**
 * @file What a kernel is: the CUDA C source of an operator of the domain `cambium`, and how it is launched. The
 * operator's row (graph/ops/kernels) has the reference that it must equal, `lower`.
 */
import type { Attrs, OpNode } from '../../graph/graph.ts';
import type { KernelOpName } from '../../graph/ops/kernels/index.ts';
import type { DType } from '../../tensor/dtype.ts';

/** The node that a launch is for: types, shapes and attributes. */
export type KernelNode = OpNode;

/** A parameter of a launch besides the tensors. */
export type Scalar = { readonly int: number } | { readonly long: number } | { readonly float: number };

/** One launch. Its parameters are the node's inputs, its outputs, and then the scalars. */
export interface Launch {
  /** Constants that the source is compiled with. */
  readonly defines: Readonly<Record<string, number>>;
  /** Blocks along x, y and z. */
  readonly grid: readonly [number, number, number];
  /** Threads of a block. */
  readonly threads: number;
  /** Dynamic shared memory of a block, in bytes. */
  readonly sharedBytes: number;
  readonly scalars: readonly Scalar[];
}

/** The contents of an input of a trial. */
export interface TrialInput {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** The numbers from `low` to `high`, drawn at random. Default: the normal distribution times `scale`. */
  readonly range?: readonly [low: number, high: number];
  readonly scale?: number;
}

/** An awkward case that a kernel must compute as its operator's row says. */
export interface Trial {
  readonly title: string;
  readonly inputs: readonly TrialInput[];
  readonly attrs: Attrs;
}

export interface Kernel {
  readonly op: KernelOpName;
  /** CUDA C that defines the kernel ENTRY, after `device.ts` and `elements.ts`. */
  readonly source: string;
  /** Whether exp, tanh and divisions may be approximate to a few units in the last place of float32. */
  readonly fastMath: boolean;
  /** The types of activations that it takes. */
  readonly types: readonly DType[];
  launch(node: KernelNode): Launch;
  /** Cases of one type of activations. */
  trials(type: DType): readonly Trial[];
}

/** Threads of a warp. */
export const warp = 32;

/** The elements that a thread reads at once: 16 bytes, if all rows of `width` elements are so aligned. */
export const vectorOf = (bytes: number, width: number): number =>
  width % (16 / bytes) === 0 ? 16 / bytes : 1;

/** A power of two of threads between a warp and `most`, so that each has about two vectors of the row. */
export function threadsFor(width: number, vector: number, most = 256): number {
  let threads = warp;
  while (threads < most && threads * 2 * vector < width) threads *= 2;
  return threads;
}
