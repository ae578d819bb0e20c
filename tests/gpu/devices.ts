/** @file The accelerators of this machine, opened once for all tests of this folder. */
import { openDevice, type Device } from '../../src-main/engine/ort/device.ts';

/** Each kind with its device; undefined, with the reason printed, if it cannot be opened. */
export const accelerators: readonly (readonly [kind: 'webgpu' | 'cuda', device: Device | undefined])[] =
  await Promise.all(
    (['webgpu', 'cuda'] as const).map(async (kind) => {
      try {
        return [kind, await openDevice(kind)] as const;
      } catch (error) {
        console.log(`skipped on ${kind}: ${(error as Error).message}`);
        return [kind, undefined] as const;
      }
    }),
  );
