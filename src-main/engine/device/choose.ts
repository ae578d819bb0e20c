/** @file Opens the device of a job: the requested one, or the fastest available one for `auto`. */
import type { DeviceChoice, DeviceKind } from '../../base/device.ts';
import { AppError } from '../../base/errors.ts';
import { findAdapter } from '../ort/adapters.ts';
import { openDevice, type Device } from '../ort/device.ts';

/** `auto` tries these in order, without adapters that the processor emulates; the last resort is the CPU. */
const gpuKinds: readonly DeviceKind[] = ['cuda', 'webgpu'];

/**
 * Maximum elements of a bucket of training state. On the CPU a bucket should fit in the cache; on a GPU larger
 * buckets mean fewer kernel launches.
 */
export const bucketElements: Readonly<Record<DeviceKind, number>> = {
  cpu: 2 ** 17,
  webgpu: 2 ** 24,
  cuda: 2 ** 26,
};

/**
 * Opens the device for `choice`. `tf32` allows TF32 for float32 matrix products on CUDA. Throws
 * `engine/no-device` if a requested device cannot be used; only `auto` falls back to another one.
 */
export async function chooseDevice(
  choice: DeviceChoice,
  threads = 0,
  { tf32 = false }: { readonly tf32?: boolean } = {},
): Promise<Device> {
  const open = (kind: DeviceKind): Promise<Device> =>
    openDevice(kind, {
      ...(threads > 0 ? { threads } : {}),
      ...(kind === 'cuda' && tf32 ? { provider: { use_tf32: '1' } } : {}),
    });
  if (choice !== 'auto') return open(choice);
  for (const kind of gpuKinds) {
    if (findAdapter(kind).software) continue;
    try {
      return await open(kind);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
  }
  return open('cpu');
}
