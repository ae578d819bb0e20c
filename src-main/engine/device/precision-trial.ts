/**
 * @file Whether the very device at hand computes in a precision: WebGPU's adapters may lack float16, older
 * GPUs bfloat16.
 */
import { refuse, type AppError } from '../../base/errors.ts';
import { graphOf, input, matmul, mul } from '../../graph/ops/build.ts';
import { checkPrecision, type Precision } from '../../train/precision.ts';
import { DeviceTensor } from '../ort/device-tensor.ts';
import type { Device } from '../ort/device.ts';
import { compile } from '../model/programs.ts';

/**
 * Runs a small product there. Refuses `run/precision`: what cannot be computed so is never computed
 * otherwise.
 */
export async function tryPrecision(device: Device, precision: Precision): Promise<void> {
  checkPrecision(device.kind, precision);
  if (precision === 'float32') return;
  const a = input('a', 'float32', [8, 8]);
  const fed = DeviceTensor.over(new Float32Array(64).fill(1), 'float32', [8, 8]);
  try {
    const session = await compile(device, graphOf({ y: mul(matmul(a, a), 2) }), { precision });
    try {
      (await session.run({ a: fed }, { y: 'host' })).get('y')!.dispose();
    } finally {
      await session.dispose();
    }
  } catch (error) {
    if ((error as AppError).code === 'engine/runtime' || (error as AppError).code === 'engine/other-device')
      refuse('run/precision', { device: device.name, precision, possible: ['float32'] });
    throw error;
  } finally {
    fed.dispose();
  }
}
