/**
 * @file Measures the energy a device uses, with nvidia-smi or the RAPL counters of the processor. Without a
 * meter it multiplies an assumed power by the time.
 */
import type { DeviceKind } from '../../base/device.ts';
import { readText } from '../../store/data/text.ts';
import type { PowerSource } from '../../train/run.ts';
import { watchGpu, type GpuReading } from './gpu-readings.ts';

export interface PowerMeter {
  /** How the energy is known; null if it is not. */
  readonly source: () => PowerSource | null;
  /** Joules since the start; null if they are not known. */
  joules(): Promise<number | null>;
  /** The newest reading of an NVIDIA GPU. */
  newest(): GpuReading | undefined;
  close(): void;
}

const powercapFolder = '/sys/class/powercap';

type EnergyCounter = () => Promise<number>;

/** Opens the energy counter of a processor package. The hardware counter wraps at its range. */
async function openPackageCounter(folder: string): Promise<EnergyCounter> {
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
 * Opens the counters of all processor packages and adds them up; undefined if one cannot be read. Other zones,
 * such as the platform (psys), include the same energy.
 */
async function openRapl(folder: string): Promise<EnergyCounter | undefined> {
  const packages: EnergyCounter[] = [];
  try {
    for (let zone = 0; ; zone++) {
      const path = `${folder}/intel-rapl:${zone}`;
      const name = await readText(`${path}/name`).catch(() => undefined);
      if (name === undefined) break;
      if (name.startsWith('package')) packages.push(await openPackageCounter(path));
    }
  } catch {
    return undefined;
  }
  if (packages.length === 0) return undefined;
  return async () => {
    const joules = await Promise.all(packages.map((read) => read()));
    return joules.reduce((a, b) => a + b, 0);
  };
}

/** Starts measuring. `watts` is the power to assume if there is no meter. */
export async function watchPower(
  kind: DeviceKind,
  watts: number | undefined,
  { folder = powercapFolder, smi = 'nvidia-smi' } = {},
): Promise<PowerMeter> {
  const started = performance.now();
  const assumedSource = watts === undefined ? null : 'assumed';
  const assumedJoules = (): number | null =>
    watts === undefined ? null : (watts * (performance.now() - started)) / 1000;
  if (kind === 'cuda') {
    const gpu = watchGpu({ command: smi });
    return {
      source: () => (gpu.joules() === null ? assumedSource : 'nvidia-smi'),
      joules: () => Promise.resolve(gpu.joules() ?? assumedJoules()),
      newest: gpu.newest,
      close: gpu.close,
    };
  }
  const rapl = kind === 'cpu' ? await openRapl(folder) : undefined;
  return {
    source: () => (rapl ? 'rapl' : assumedSource),
    joules: async () => (rapl ? rapl() : assumedJoules()),
    newest: () => undefined,
    close: () => undefined,
  };
}
