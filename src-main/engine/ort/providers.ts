/** @file Execution providers: how each kind of device is added to a session, and why one cannot be. */
import { refuse, type AppError } from '../../base/errors.ts';
import type { DeviceKind } from '../../train/settings.ts';
import { api, created } from './api.ts';
import { loadInstalled } from './cuda-libraries.ts';
import type { Pointer } from './library.ts';

/** A provider's own options, as ONNX Runtime names them (`device_id`, `gpu_mem_limit`, …). */
export type ProviderOptions = Readonly<Record<string, string>>;

/**
 * What CUDA is told unless asked otherwise: float32 means all of its bits, and growing arrays take what they
 * need instead of the next power of two.
 */
const cudaDefaults: ProviderOptions = { use_tf32: '0', arena_extend_strategy: 'kSameAsRequested' };

/** Adds the provider of `device` to session options. Throws `engine/no-device`. */
export function addProvider(settings: Pointer, device: DeviceKind, options: ProviderOptions): void {
  if (device === 'cpu') return;
  const chosen = device === 'cuda' ? { ...cudaDefaults, ...options } : options;
  const keys = Object.keys(chosen);
  const values = Object.values(chosen);
  try {
    if (device === 'webgpu')
      api().SessionOptionsAppendExecutionProvider(settings, 'WebGPU', keys, values, keys.length);
    else addCuda(settings, keys, values);
  } catch (error) {
    const { code, detail } = error as AppError;
    if (code !== 'engine/runtime') throw error;
    refuse('engine/no-device', { device, why: reason((detail as { message: string }).message) });
  }
}

function addCuda(settings: Pointer, keys: readonly string[], values: readonly string[]): void {
  loadInstalled();
  const cuda = created((out) => {
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
 * What a provider says, without the condition and the place in its source that it puts before; a library that
 * is not there by its name and its folder.
 */
function reason(message: string): string {
  const missing = /(?:(\S*)\/)?([^\s/]+\.so[.\d]*): cannot open shared object file/.exec(message);
  return missing
    ? `the library ${missing[2]!} is missing${missing[1] ? ` from ${missing[1]}` : ''}`
    : message.replace(/^.*(?:was false\. |\[ONNXRuntimeError\] : \d+ : \w+ : )/s, '').trim();
}
