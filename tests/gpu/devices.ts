/**
 * @file The devices that the tests of this folder run on: those of this machine beside its processor, opened.
 */
import { openDevice, type Device } from '../../src-main/engine/ort/device.ts';

/** Every kind with its device, or why it cannot be used; what is skipped says so. */
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
