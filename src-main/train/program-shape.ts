/** @file The shape of a program: its batch, its precision, and the parts that a device computes it in. */
import type { DeviceKind } from '../base/device.ts';
import { input, type Value } from '../graph/ops/build.ts';
import { noKernels, type KernelChoice } from '../graph/kernels.ts';
import type { ActivationCheckpointing } from '../graph/passes/activation-checkpointing.ts';
import type { SequenceContext } from '../model/builder-types.ts';
import { createSequence } from '../model/sequence.ts';
import type { Precision } from './precision.ts';

export interface BatchShape {
  readonly microBatch: number;
  readonly contextLength: number;
  /** `on`: tokens attend only to their own document; input `documents` [batch, seq] numbers the documents. */
  readonly documentMask?: 'off' | 'on';
  /** The device that the program is cut for. Default: cpu. */
  readonly deviceKind?: DeviceKind;
  /** Default: float32. */
  readonly precision?: Precision;
}

export interface StepShape extends BatchShape {
  /** Default: off. */
  readonly activationCheckpointing?: ActivationCheckpointing;
  /** The kernels of our own that passes with a gradient use. Default: none. */
  readonly kernelChoice?: KernelChoice;
}

/** Parts save memory; on a GPU each costs kernel launches, and small ones leave it idle. */
interface Parts {
  /** Blocks of queries in attention. */
  readonly queryBlocks: number;
  /** Most bytes of the float32 logits of one part of the head. */
  readonly logitsBytes: number;
}

const partsOn: Readonly<Record<DeviceKind, Parts>> = {
  cpu: { queryBlocks: 8, logitsBytes: 2 ** 26 },
  webgpu: { queryBlocks: 8, logitsBytes: 2 ** 26 },
  cuda: { queryBlocks: 4, logitsBytes: 2 ** 29 },
};

export const partsOf = ({ deviceKind = 'cpu' }: Pick<BatchShape, 'deviceKind'>): Parts => partsOn[deviceKind];

/**
 * What the tokens of a program attend to, for passes with and without a gradient. CUDA has a kernel for the latter
 * that keeps no scores, in low precision only.
 */
export function sequencesOf(shape: StepShape): Readonly<Record<'training' | 'forward', SequenceContext>> {
  const { documentMask, microBatch, contextLength, deviceKind = 'cpu', precision = 'float32' } = shape;
  const { queryBlocks } = partsOf(shape);
  const documents =
    documentMask === 'on' ? input('documents', 'int32', [microBatch, contextLength]) : undefined;
  const isLow = deviceKind === 'cuda' && precision !== 'float32';
  const { kernelChoice = noKernels } = shape;
  return {
    training: createSequence({ queryBlocks, documents, flash: isLow && kernelChoice.has('attention') }),
    forward: createSequence({ queryBlocks, documents, forwardKernel: isLow }),
  };
}

/** The input `tokens` [batch, seq + extra]. */
export const tokensInput = ({ microBatch, contextLength }: BatchShape, extra = 1): Value =>
  input('tokens', 'int32', [microBatch, contextLength + extra]);
