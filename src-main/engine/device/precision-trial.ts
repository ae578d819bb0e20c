/**
 * @file Checks that a device supports a precision: some WebGPU adapters lack float16, older GPUs lack
 * bfloat16.
 */
import { refuse, type AppError } from '../../base/errors.ts';
import { graphOf, input, matmul, mul } from '../../graph/ops/build.ts';
import { checkPrecision, type Precision } from '../../train/precision.ts';
import { DeviceTensor } from '../ort/device-tensor.ts';
import type { Device } from '../ort/device.ts';
import { compile } from '../model/programs.ts';

/** Runs a small matrix product in `precision`. Throws `run/precision` if the device cannot compute it. */
export async function tryPrecision(device: Device, precision: Precision): Promise<void> {
  checkPrecision(device.kind, precision);
  if (precision === 'float32') return;
  const a = input('a', 'float32', [8, 8]);
  const values = DeviceTensor.fromArray(new Float32Array(64).fill(1), 'float32', [8, 8]);
  try {
    const session = await compile(device, graphOf({ y: mul(matmul(a, a), 2) }), { precision });
    try {
      const outputs = await session.run({ a: values }, { y: 'host' });
      outputs.get('y')!.dispose();
    } finally {
      await session.dispose();
    }
  } catch (error) {
    const { code } = error as AppError;
    if (code === 'engine/runtime' || code === 'engine/other-device')
      refuse('run/precision', { device: device.name, precision, possible: ['float32'] });
    throw error;
  } finally {
    values.dispose();
  }
}
