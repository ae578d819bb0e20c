/** @file Words for states and dtypes, the same on every page. */
import type { RunState } from '../../src-main/contract/schema.ts';

export const runStateWords: Readonly<Record<RunState, string>> = {
  preparing: 'Preparing',
  running: 'Training',
  pausing: 'Pausing',
  paused: 'Paused',
  finished: 'Finished',
  failed: 'Failed',
  interrupted: 'Interrupted',
};

export const weightsChoices = [
  { value: 'raw', label: 'As they are' },
  { value: 'ema', label: 'Their moving average' },
  { value: 'average', label: 'Mean of the newest checkpoints' },
] as const;

/** What an export is for. */
export const formatChoices = [
  { value: 'safetensors', label: 'Training and transformers (safetensors)' },
  { value: 'onnx', label: 'Inference with onnxruntime (ONNX)' },
] as const;

export const dtypeChoices = [
  { value: 'keep', label: 'As in the source' },
  { value: 'float32', label: 'float32' },
  { value: 'bfloat16', label: 'bfloat16' },
  { value: 'float16', label: 'float16' },
] as const;
