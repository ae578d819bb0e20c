/** @file A driver that is too old is refused with the version that is needed; devices are in bus order. */
import { afterEach, describe, expect, it } from 'vitest';
import { toErrorData } from '../../../src-main/base/errors.ts';
import { listDevices } from '../../../src-main/engine/device/devices.ts';
import { findAdapter } from '../../../src-main/engine/ort/adapters.ts';
import { listNativeLibraries } from '../../../src-main/engine/ort/cuda-libraries.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { missing } from './standin.ts';

const why = 'the driver supports CUDA 12.4 at most; driver 580 or newer is needed, for CUDA 13';

describe.skipIf(missing)(`the driver of the stand-in${missing ? `, skipped: ${missing}` : ''}`, () => {
  afterEach(() => {
    delete process.env['CUDA_STANDIN_DRIVER'];
  });

  it('is found with every library that is needed', async () => {
    const needed = listNativeLibraries().filter((library) => library.optional !== true);
    expect(needed.filter((library) => !library.found).map((library) => library.name)).toEqual([
      // Only real kernels are compiled.
      'libnvrtc.so.13',
    ]);
    const device = await openDevice('cuda');
    await device.dispose();
  });

  it('is refused if it supports CUDA 12 at most, before a session is opened', async () => {
    process.env['CUDA_STANDIN_DRIVER'] = '12040';
    const refused = await openDevice('cuda').catch((error: unknown) => toErrorData(error));
    expect(refused).toMatchObject({ code: 'engine/no-device', detail: { device: 'cuda', why } });
    expect(listNativeLibraries()[0]).toMatchObject({ name: 'libcuda.so.1', found: false, why });
    expect((await listDevices()).find(({ id }) => id === 'cuda')!.why).toContain('driver 580 or newer');
  });

  it('numbers devices by bus, as nvidia-smi does', () => {
    process.env['CUDA_DEVICE_ORDER'] = 'FASTEST_FIRST';
    expect(findAdapter('cuda').name).toContain('H200');
    expect(process.env['CUDA_DEVICE_ORDER']).toBe('PCI_BUS_ID');
  });
});
