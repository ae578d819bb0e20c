import { describe, expect, it } from 'vitest';
import { measureSpeed } from '../../../src-main/engine/device/speed-test.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';

describe('measureSpeed', () => {
  it('measures the CPU', async () => {
    const device = await openDevice('cpu');
    try {
      const measured = await measureSpeed(device, 0.02);
      const { product, stream, functions, nodeSeconds, slack } = measured;
      for (const rate of [product, stream, functions, nodeSeconds]) expect(rate).toBeGreaterThan(0);
      expect(product).toBeGreaterThan(functions);
      expect(slack).toBeGreaterThanOrEqual(0);
    } finally {
      await device.dispose();
    }
  });
});
