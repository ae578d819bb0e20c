/** @file The energy a device has used since it was asked to be watched: measured where something measures it, else assumed, and always said which. */
import type { DeviceKind } from '../base/device.ts';
import { readText } from '../store/text.ts';
import type { PowerSource } from '../train/run.ts';
import { readGpu, type GpuReading } from './gpu-readings.ts';

export interface Power {
  readonly source: () => PowerSource | null;
  /** Joules since the start. */
  joules(): Promise<number | null>;
  newest(): GpuReading | undefined;
  close(): void;
}

const counters = '/sys/class/powercap/intel-rapl:0';

/** The processor's own energy counter in joules, or undefined where it cannot be read; it wraps at its range. */
async function rapl(folder: string): Promise<(() => Promise<number>) | undefined> {
  const read = async (name: string): Promise<number> => Number(await readText(`${folder}/${name}`)) / 1e6;
  try {
    const range = await read('max_energy_range_uj');
    let last = await read('energy_uj'), sum = 0;
    return async () => { const now = await read('energy_uj'); sum += now >= last ? now - last : now + range - last; last = now; return sum; };
  } catch { return undefined; }
}

/** Watches the device from now on. `watts`: what to assume where nothing measures. */
export async function watchPower(kind: DeviceKind, watts: number | undefined, { folder = counters, smi = 'nvidia-smi' } = {}): Promise<Power> {
  const began = performance.now(), assumed = (): number | null => (watts === undefined ? null : (watts * (performance.now() - began)) / 1000);
  if (kind === 'cuda') {
    const gpu = readGpu({ command: smi });
    return { source: () => (gpu.joules() !== null ? 'nvidia-smi' : watts === undefined ? null : 'assumed'), joules: () => Promise.resolve(gpu.joules() ?? assumed()), newest: gpu.newest, close: gpu.close };
  }
  const counter = kind === 'cpu' ? await rapl(folder) : undefined;
  return { source: () => (counter ? 'rapl' : watts === undefined ? null : 'assumed'), joules: async () => (counter ? counter() : assumed()), newest: () => undefined, close: () => undefined };
}
