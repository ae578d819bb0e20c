/** @file Memory, open files and files on disk of the server and its engines, from /proc; and whether they grow. */
import { readdirSync, readFileSync, type Dirent } from 'node:fs';
import { join } from 'node:path';

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

/** The entries of a folder; none of one that was renamed or removed meanwhile. */
function listEntries(folder: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** The files and folders below a folder. */
export function countFiles(folder: string): number {
  return listEntries(folder).reduce(
    (count, entry) => count + 1 + (entry.isDirectory() ? countFiles(join(folder, entry.name)) : 0),
    0,
  );
}

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
