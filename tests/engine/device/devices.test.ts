import { expect, test } from 'vitest';
import { listDevices } from '../../../src-main/engine/device/devices.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { deviceKinds } from '../../../src-main/engine/ort/device-tensor.ts';

test('lists every kind of device and reports as available exactly those that open', async () => {
  const devices = await listDevices();
  expect(devices.map((device) => device.id)).toEqual(deviceKinds);
  expect(devices[0]).toMatchObject({ id: 'cpu', available: true });
  for (const device of devices) {
    expect(device.name).toMatch(/\w/);
    expect(device.why === undefined).toBe(device.available);
    const opens = await openDevice(device.id).then(
      (opened) => opened.dispose().then(() => true),
      () => false,
    );
    expect(opens).toBe(device.available);
  }
});
