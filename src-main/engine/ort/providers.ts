/** @file Adds the execution provider of a device to session options, and explains why one is missing. */
import { refuse, type AppError } from '../../base/errors.ts';
import type { DeviceKind } from '../../train/settings.ts';
import { api, getPointer } from './api.ts';
import { findDriverProblem, loadInstalledLibraries, numberDevicesByBus } from './cuda-libraries.ts';
import type { Pointer } from './library.ts';

/** Options of an execution provider by ONNX Runtime's names, such as `device_id` or `gpu_mem_limit`. */
export type ProviderOptions = Readonly<Record<string, string>>;

/**
 * Default options of CUDA: full float32 precision; an arena that grows by the requested size instead of to the
 * next power of two; and one stream for copies and kernels. With separate streams nothing orders the upload of an
 * input before the kernels that read it.
 */
const cudaDefaults: ProviderOptions = {
  use_tf32: '0',
  arena_extend_strategy: 'kSameAsRequested',
  use_ep_level_unified_stream: '1',
};

/** Adds the provider of `device` to session options. Throws `engine/no-device`. */
export function addProvider(settings: Pointer, device: DeviceKind, options: ProviderOptions): void {
  if (device === 'cpu') return;
  const merged = device === 'cuda' ? { ...cudaDefaults, ...options } : options;
  const keys = Object.keys(merged);
  const values = Object.values(merged);
  try {
    if (device === 'webgpu')
      api().SessionOptionsAppendExecutionProvider(settings, 'WebGPU', keys, values, keys.length);
    else addCuda(settings, keys, values);
  } catch (error) {
    const { code, detail } = error as AppError;
    if (code !== 'engine/runtime') throw error;
    refuse('engine/no-device', { device, why: explain((detail as { message: string }).message) });
  }
}

function addCuda(settings: Pointer, keys: readonly string[], values: readonly string[]): void {
  numberDevicesByBus();
  loadInstalledLibraries();
  const problem = findDriverProblem();
  if (problem !== undefined) refuse('engine/no-device', { device: 'cuda', why: problem });
  const cuda = getPointer((out) => {
    api().CreateCUDAProviderOptions(out);
  });
  try {
    api().UpdateCUDAProviderOptions(cuda, keys, values, keys.length);
    api().SessionOptionsAppendExecutionProvider_CUDA_V2(settings, cuda);
  } finally {
    api().ReleaseCUDAProviderOptions(cuda);
  }
}

/**
 * Shortens a provider's error message: names a missing library and its folder, or removes the failed
 * condition and the source location in front of the message.
 */
function explain(message: string): string {
  const missing = /(?:(\S*)\/)?([^\s/]+\.so[.\d]*): cannot open shared object file/.exec(message);
  if (missing) {
    const [, folder, library] = missing;
    return `the library ${library!} is missing${folder ? ` from ${folder}` : ''}`;
  }
  return message.replace(/^.*(?:was false\. |\[ONNXRuntimeError\] : \d+ : \w+ : )/s, '').trim();
}
