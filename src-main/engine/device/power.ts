/**
 * @file The energy a device has used since it was asked to be watched: measured where something measures it,
 * else assumed, and always said which.
 */
import type { DeviceKind } from '../../base/device.ts';
import { readText } from '../../store/data/text.ts';
import type { PowerSource } from '../../train/run.ts';
import { readGpu, type GpuReading } from './gpu-readings.ts';

export interface Power {
  readonly source: () => PowerSource | null;
  /** Joules since the start. */
  joules(): Promise<number | null>;
  newest(): GpuReading | undefined;
  close(): void;
}

const counters = '/sys/class/powercap';

type Joules = () => Promise<number>;

/** A package's own energy counter; it wraps at its range. */
async function counter(folder: string): Promise<Joules> {
  const read = async (name: string): Promise<number> => Number(await readText(`${folder}/${name}`)) / 1e6;
  const range = await read('max_energy_range_uj');
  let last = await read('energy_uj');
  let sum = 0;
  return async () => {
    const now = await read('energy_uj');
    sum += now >= last ? now - last : now + range - last;
    last = now;
    return sum;
  };
}

/**
 * Joules of all packages of the processor together, or undefined where one cannot be read. Other zones, such
 * as the whole platform's, count the same energy again.
 */
async function rapl(folder: string): Promise<Joules | undefined> {
  const packages: Joules[] = [];
  try {
    for (let zone = 0; ; zone++) {
      const path = `${folder}/intel-rapl:${zone}`;
      const name = await readText(`${path}/name`).catch(() => undefined);
      if (name === undefined) break;
      if (name.startsWith('package')) packages.push(await counter(path));
    }
  } catch {
    return undefined;
  }
  return packages.length === 0
    ? undefined
    : async () => (await Promise.all(packages.map((read) => read()))).reduce((a, b) => a + b, 0);
}

/** Watches the device from now on. `watts`: what to assume where nothing measures. */
export async function watchPower(
  kind: DeviceKind,
  watts: number | undefined,
  { folder = counters, smi = 'nvidia-smi' } = {},
): Promise<Power> {
  const began = performance.now();
  const assumed = (): number | null =>
    watts === undefined ? null : (watts * (performance.now() - began)) / 1000;
  if (kind === 'cuda') {
    const gpu = readGpu({ command: smi });
    return {
      source: () => (gpu.joules() !== null ? 'nvidia-smi' : watts === undefined ? null : 'assumed'),
      joules: () => Promise.resolve(gpu.joules() ?? assumed()),
      newest: gpu.newest,
      close: gpu.close,
    };
  }
  const own = kind === 'cpu' ? await rapl(folder) : undefined;
  return {
    source: () => (own ? 'rapl' : watts === undefined ? null : 'assumed'),
    joules: async () => (own ? own() : assumed()),
    newest: () => undefined,
    close: () => undefined,
  };
}
