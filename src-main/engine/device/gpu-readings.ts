/**
 * @file What an NVIDIA GPU draws, holds and does, once a second, from one nvidia-smi that runs beside the
 * training.
 */
import { spawn } from 'node:child_process';
import { inLines } from '../../base/lines.ts';

/** One line of nvidia-smi; null where the card does not say. */
export interface GpuReading {
  readonly watts: number | null;
  readonly utilisation: number | null;
  readonly memory: number | null;
  readonly temperature: number | null;
}

export interface GpuReadings {
  /** The newest, or undefined before the first and where there is no nvidia-smi. */
  newest(): GpuReading | undefined;
  /**
   * Joules since the start, the power between two readings taken as the mean of both; null before the second.
   */
  joules(): number | null;
  close(): void;
}

const fields = 'power.draw,utilization.gpu,memory.used,temperature.gpu';
const every = 1000;

/**
 * A line of `--format=csv,noheader,nounits` with the fields above, or undefined where it is something else.
 */
export function readLine(line: string): GpuReading | undefined {
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
 * The GPU that CUDA calls number 0, by its index or its name among all: the first that CUDA_VISIBLE_DEVICES
 * leaves visible.
 */
export const visibleGpu = (visible = process.env['CUDA_VISIBLE_DEVICES'] ?? ''): string =>
  visible.split(',')[0]!.trim() || '0';

/**
 * Starts reading; what cannot be read stays unknown and stops no training. `command` is nvidia-smi in any
 * place.
 */
export function readGpu({
  command = 'nvidia-smi',
  id = visibleGpu(),
  now = () => performance.now() / 1000,
}: { readonly command?: string; readonly id?: string; readonly now?: () => number } = {}): GpuReadings {
  let newest: GpuReading | undefined;
  let last: { readonly at: number; readonly watts: number } | undefined;
  let joules: number | null = null;
  const child = spawn(
    command,
    [`--query-gpu=${fields}`, '--format=csv,noheader,nounits', '-i', id, '-lms', String(every)],
    { stdio: ['ignore', 'pipe', 'ignore'], windowsHide: true },
  );
  child.on('error', () => {
    newest = undefined;
  });
  child.stdout.setEncoding('utf8').on(
    'data',
    inLines((line) => {
      const reading = readLine(line);
      if (!reading) return;
      newest = reading;
      if (reading.watts === null) return;
      const at = now();
      if (last) joules = (joules ?? 0) + ((last.watts + reading.watts) / 2) * (at - last.at);
      last = { at, watts: reading.watts };
    }).push,
  );
  child.unref();
  return {
    newest: () => newest,
    joules: () => joules,
    close: () => {
      child.kill();
    },
  };
}
