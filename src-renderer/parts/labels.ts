/** @file Labels of states, weights, formats and element types. */
import type { DeviceKind } from '../../src-main/base/device.ts';
import { formatOrdinal } from '../../src-main/base/format.ts';
import type { BakeoffSummary } from '../../src-main/contract/bakeoff.ts';
import type { WaitingEvent } from '../../src-main/contract/queue.ts';
import type { RunState } from '../../src-main/contract/schema.ts';

/** The kinds of device, as a queue is called. */
export const deviceLabels: Readonly<Record<DeviceKind, string>> = {
  cpu: 'CPU',
  webgpu: 'WebGPU',
  cuda: 'CUDA',
};

/** `Waiting, 2nd for CPU` */
export const describeWaiting = ({ position, device }: WaitingEvent): string =>
  `Waiting, ${formatOrdinal(position)} for ${deviceLabels[device]}`;

export const runStateLabels: Readonly<Record<RunState, string>> = {
  waiting: 'Waiting',
  preparing: 'Preparing',
  running: 'Training',
  pausing: 'Pausing',
  paused: 'Paused',
  finished: 'Finished',
  failed: 'Failed',
  interrupted: 'Interrupted',
};

export const bakeoffStateLabels: Readonly<Record<BakeoffSummary['state'], string>> = {
  running: 'Running',
  paused: 'Paused',
  finished: 'Finished',
};

export const weightsChoices = [
  { value: 'raw', label: 'Trained weights' },
  { value: 'ema', label: 'Moving average (EMA)' },
  { value: 'average', label: 'Average of the newest checkpoints' },
] as const;

export const formatChoices = [
  { value: 'safetensors', label: 'Training and transformers (safetensors)' },
  { value: 'onnx', label: 'Inference with onnxruntime (ONNX)' },
  { value: 'gguf', label: 'Inference with llama.cpp (GGUF)' },
] as const;

export const formatDescriptions = {
  safetensors: 'as a folder that transformers can load',
  onnx: 'as a float32 ONNX file for inference',
  gguf: 'as one file for llama.cpp and programs built on it',
} as const satisfies Readonly<Record<(typeof formatChoices)[number]['value'], string>>;

export const ggufTypeChoices = [
  { value: 'f16', label: 'float16' },
  { value: 'bf16', label: 'bfloat16' },
  { value: 'f32', label: 'float32' },
  { value: 'q8_0', label: '8-bit (Q8_0)' },
] as const;

export const dtypeChoices = [
  { value: 'keep', label: 'Same as the source' },
  { value: 'float32', label: 'float32' },
  { value: 'bfloat16', label: 'bfloat16' },
  { value: 'float16', label: 'float16' },
] as const;
