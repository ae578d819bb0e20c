/** @file What this computer can run on: each kind of device tried for real, and why one cannot be used. */
import { dataOf, wordsOf } from '../../base/errors.ts';
import type { Device as DeviceCard } from '../../contract/schema.ts';
import type { DeviceKind } from '../../train/settings.ts';
import { adapterOf } from '../ort/adapters.ts';
import { openDevice } from '../ort/device.ts';
import { deviceKinds } from '../ort/device-tensor.ts';

/**
 * One card for each kind of device, fastest kind first after the processor: available if a tensor went there
 * and came back, else the reason.
 */
export async function listDevices(): Promise<readonly DeviceCard[]> {
  const cards: DeviceCard[] = [];
  for (const kind of deviceKinds) cards.push(await cardOf(kind));
  return cards;
}

async function cardOf(id: DeviceKind): Promise<DeviceCard> {
  try {
    const device = await openDevice(id);
    // while it is open: CUDA tells free memory only then
    const { memory, free, software = false } = adapterOf(id);
    await device.dispose();
    return { id, name: device.name, available: true, software, memory, free };
  } catch (error) {
    return { id, ...adapterOf(id), free: null, available: false, why: wordsOf(dataOf(error)).join('. ') };
  }
}
