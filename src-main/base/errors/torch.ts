/** @file Errors of the PyTorch engine and of the jobs that run it. */
import type { ErrorText } from './text.ts';

export const torchErrors = {
  'torch/unsupported': (d: { what: string }): ErrorText => [
    `the PyTorch engine does not train ${d.what}`,
    "Train with Cambium's own engine (leave out --engine), or change the setting.",
  ],
  'torch/no-tensor-plan': (d: { model: string; why: string }): ErrorText => [
    `the layers of a ${d.model} model cannot be divided: ${d.why}`,
    'Leave out --tensor-parallel; FSDP divides weights, gradients and moments over all processes in any case.',
  ],
  'torch/too-many-processes': (d: { processes: number; sequences: number }): ErrorText => [
    `an update has ${d.sequences} sequences, which are too few for ${d.processes} processes`,
    'Raise --grad-accum or --micro-batch, or use fewer processes.',
  ],
} as const;
