/** @file Settings of precision and memory. */
import { deviceChoices, type DeviceChoice } from '../../base/device.ts';
import type { ActivationCheckpointing } from '../../graph/passes/activation-checkpointing.ts';
import { precisionLabels } from '../precision.ts';
import { choice, integer, onOff } from '../setting.ts';

const checkpointingLabels: Readonly<Record<ActivationCheckpointing | 'auto', string>> = {
  auto: 'Automatic',
  off: 'Off',
  attention: 'Attention scores',
  full: 'Every block',
};
const deviceLabels = Object.fromEntries(deviceChoices.map((id) => [id, id])) as Record<DeviceChoice, string>;

export const precisionSettings = {
  precision: choice({
    label: 'Precision',
    help: 'Type of matrix products. Weights and moments stay float32. bfloat16 needs CUDA, float16 CUDA or WebGPU.',
    group: 'precision',
    default: 'float32',
    labels: precisionLabels,
  }),
  tf32: choice({
    label: 'TF32',
    help: 'Lets float32 products on CUDA round their operands to TensorFloat-32, which is faster.',
    group: 'precision',
    default: 'off',
    labels: onOff,
  }),
  kernels: choice({
    label: 'CUDA kernels',
    help:
      'Trains on CUDA with kernels of our own, such as FlashAttention. ' +
      'Each is used once it passes a self-test on the GPU.',
    group: 'precision',
    default: 'auto',
    labels: { auto: 'Automatic', off: 'Off' },
  }),
  activationCheckpointing: choice({
    label: 'Activation checkpointing',
    help: 'Recomputes activations in the backward pass to save memory. Automatic: attention scores from 512 tokens on.',
    group: 'precision',
    default: 'auto',
    labels: checkpointingLabels,
    former: { id: 'recompute' },
  }),
  device: choice({
    label: 'Device',
    help: 'The device to train on. Automatic picks the fastest one.',
    group: 'precision',
    isInForm: false,
    default: 'auto',
    labels: deviceLabels,
  }),
  threads: integer({
    label: 'Threads',
    help: 'CPU threads. 0 uses all physical cores.',
    group: 'precision',
    default: 0,
    min: 0,
    max: 1024,
  }),
};
