/** @file Memory, open files and files on disk of the server and its engines, from /proc; and whether they grow. */
import { readdirSync, readFileSync } from 'node:fs';

export interface Usage {
  /** Bytes. */
  readonly memory: number;
  /** Open files, sockets and pipes. */
  readonly handles: number;
}

/** What a process uses; undefined when it has ended. */
export function readUsage(pid: number): Usage | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const memory = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
    return Number.isNaN(memory) ? undefined : { memory, handles: readdirSync(`/proc/${pid}/fd`).length };
  } catch {
    return undefined;
  }
}

/** The files below a folder. */
export const countFiles = (folder: string): number => readdirSync(folder, { recursive: true }).length;

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

/** The medians of the second and of the last quarter of some readings: the first quarter warms up. */
export function compareQuarters(values: readonly number[]): {
  readonly early: number;
  readonly late: number;
} {
  const quarter = Math.floor(values.length / 4);
  return { early: median(values.slice(quarter, 2 * quarter)), late: median(values.slice(-quarter)) };
}
