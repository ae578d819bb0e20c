/** @file Reads power, utilisation, memory and temperature of an NVIDIA GPU from nvidia-smi, once a second. */
import { spawn } from 'node:child_process';
import { endChild } from '../../base/children.ts';
import { splitLines } from '../../base/lines.ts';

/** One line of nvidia-smi. A value that the GPU does not report is null. */
export interface GpuReading {
  readonly watts: number | null;
  /** From 0 to 1. */
  readonly utilisation: number | null;
  /** Bytes in use. */
  readonly memory: number | null;
  /** Degrees Celsius. */
  readonly temperature: number | null;
}

export interface GpuMonitor {
  /** The newest reading; undefined before the first one, or if there is no nvidia-smi. */
  newest(): GpuReading | undefined;
  /** Joules since the start, by the trapezoidal rule; null before the second reading. */
  joules(): number | null;
  close(): void;
}

const fields = 'power.draw,utilization.gpu,memory.used,temperature.gpu';
const intervalMilliseconds = 1000;

/** Parses a line of `--format=csv,noheader,nounits` with the fields above; undefined for any other line. */
export function parseReading(line: string): GpuReading | undefined {
  const cells = line.split(',').map((cell) => cell.trim());
  if (cells.length !== fields.split(',').length) return undefined;
  const [watts, percent, megabytes, temperature] = cells.map((cell) =>
    cell !== '' && Number.isFinite(Number(cell)) ? Number(cell) : null,
  ) as [number | null, number | null, number | null, number | null];
  return {
    watts,
    utilisation: percent === null ? null : percent / 100,
    memory: megabytes === null ? null : megabytes * 2 ** 20,
    temperature,
  };
}

/**
 * Returns the index or the UUID of CUDA's device 0: the first of CUDA_VISIBLE_DEVICES. The engine makes CUDA
 * number its devices as nvidia-smi does (`numberDevicesByBus`).
 */
export const findVisibleGpu = (visible = process.env['CUDA_VISIBLE_DEVICES'] ?? ''): string =>
  visible.split(',')[0]!.trim() || '0';

/**
 * Starts nvidia-smi. Never throws: without nvidia-smi there are no readings. `command` is the path of
 * nvidia-smi.
 */
export function watchGpu({
  command = 'nvidia-smi',
  id = findVisibleGpu(),
  now = () => performance.now() / 1000,
}: { readonly command?: string; readonly id?: string; readonly now?: () => number } = {}): GpuMonitor {
  let newest: GpuReading | undefined;
  let last: { readonly time: number; readonly watts: number } | undefined;
  let joules: number | null = null;
  const child = spawn(
    command,
    [
      `--query-gpu=${fields}`,
      '--format=csv,noheader,nounits',
      '-i',
      id,
      '-lms',
      String(intervalMilliseconds),
    ],
    { stdio: ['ignore', 'pipe', 'ignore'], windowsHide: true },
  );
  child.on('error', () => {
    newest = undefined;
  });
  child.stdout.setEncoding('utf8').on(
    'data',
    splitLines((line) => {
      const reading = parseReading(line);
      if (!reading) return;
      newest = reading;
      if (reading.watts === null) return;
      const time = now();
      if (last) joules = (joules ?? 0) + ((last.watts + reading.watts) / 2) * (time - last.time);
      last = { time, watts: reading.watts };
    }).push,
  );
  child.unref();
  return {
    newest: () => newest,
    joules: () => joules,
    close: () => {
      endChild(child);
    },
  };
}
