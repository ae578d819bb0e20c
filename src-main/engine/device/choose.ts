/**
 * @file Which device a job runs on: the one that was asked for, or for `auto` the fastest that is there;
 * never another, and always said.
 */
import type { DeviceChoice, DeviceKind } from '../../base/device.ts';
import { AppError } from '../../base/errors.ts';
import { adapterOf } from '../ort/adapters.ts';
import { openDevice, type Device } from '../ort/device.ts';

/** `auto` tries these in order; a graphics adapter that is only simulated by the processor is passed over. */
const order: readonly DeviceKind[] = ['cuda', 'webgpu', 'cpu'];

/**
 * Elements of the largest bucket of training state: one weight is one bucket on the processor, where it is
 * then in cache, and a GPU has fewer kernels to start.
 */
export const bucketElements: Readonly<Record<DeviceKind, number>> = {
  cpu: 2 ** 17,
  webgpu: 2 ** 24,
  cuda: 2 ** 26,
};

/**
 * Opens it. `tf32`: float32 products on CUDA may round their operands. Refuses `engine/no-device` where the
 * device asked for cannot be used.
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
  for (const kind of order.slice(0, -1)) {
    if (adapterOf(kind).software) continue;
    try {
      return await open(kind);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
  }
  return open('cpu');
}
