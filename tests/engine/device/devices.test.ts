import { expect, test } from 'vitest';
import { listDevices } from '../../../src-main/engine/device/devices.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { deviceKinds } from '../../../src-main/engine/ort/device-tensor.ts';

test('each kind of device has a card that tells the truth', async () => {
  const cards = await listDevices();
  expect(cards.map((card) => card.id)).toEqual(deviceKinds);
  expect(cards[0]).toMatchObject({ id: 'cpu', available: true });
  for (const card of cards) {
    expect(card.name).toMatch(/\w/);
    expect(card.why === undefined).toBe(card.available);
    const opened = await openDevice(card.id).then(
      (device) => device.dispose().then(() => true),
      () => false,
    );
    expect(opened).toBe(card.available);
  }
});
