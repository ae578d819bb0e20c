/** @file Lists the devices of this computer. Each is opened to find out whether it works. */
import { toErrorData, describeError } from '../../base/errors.ts';
import type { Device as DeviceInfo } from '../../contract/schema.ts';
import type { DeviceKind } from '../../train/settings.ts';
import { countCudaDevices, findAdapter } from '../ort/adapters.ts';
import { openDevice } from '../ort/device.ts';
import { deviceKinds } from '../ort/device-tensor.ts';

/**
 * Returns one entry for each kind of device, the CPU first. A device is available if a tensor could be copied
 * there and back; otherwise `why` gives the reason.
 */
export async function listDevices(): Promise<readonly DeviceInfo[]> {
  const devices: DeviceInfo[] = [];
  for (const kind of deviceKinds) devices.push(await describeDevice(kind));
  return devices;
}

async function describeDevice(id: DeviceKind): Promise<DeviceInfo> {
  try {
    const device = await openDevice(id);
    // CUDA reports free memory only while the device is open.
    const { memory, free, software = false } = findAdapter(id);
    await device.dispose();
    const count = id === 'cuda' ? countCudaDevices() : 1;
    const several = count > 1 ? { count } : {};
    return { id, name: device.name, available: true, software, memory, free, ...several };
  } catch (error) {
    return {
      id,
      ...findAdapter(id),
      free: null,
      available: false,
      why: describeError(toErrorData(error)).join('. '),
    };
  }
}
