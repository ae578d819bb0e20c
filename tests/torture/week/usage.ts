/** @file Memory, open files and files on disk of the server and its engines, and whether they grow. */
import { readdirSync, readFileSync, rmSync, type Dirent } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { LiveMemory } from './live-memory.ts';

export interface Usage extends LiveMemory {
  /** Open files, sockets and pipes. */
  readonly handles: number;
}

/** Milliseconds for a process to write its memory, and between two looks. The machine may be busy. */
const answerTime = 20_000;
const lookTime = 20;

/** Megabytes of V8's space for new objects: it would grow to its limit in the course of a busy day. */
const newSpace = 4;

/** The environment of a process whose memory is read. It writes into `folder`. */
export const measuredEnvironment = (folder: string): Readonly<Record<string, string>> => ({
  CAMBIUM_LIVE_MEMORY: folder,
  NODE_OPTIONS: [
    `--max-semi-space-size=${newSpace}`,
    `--import=${pathToFileURL(join(import.meta.dirname, 'live-memory.ts')).href}`,
  ].join(' '),
});

/** What a process uses; undefined when it has ended, or does not answer. */
export async function readUsage(pid: number, folder: string): Promise<Usage | undefined> {
  const path = join(folder, String(pid));
  try {
    rmSync(path, { force: true });
    process.kill(pid, 'SIGUSR2');
    const handles = readdirSync(`/proc/${pid}/fd`).length;
    for (const end = performance.now() + answerTime; performance.now() < end;) {
      const memory = readIfThere(path);
      if (memory !== undefined) return { ...(JSON.parse(memory) as LiveMemory), handles };
      await new Promise((resolve) => {
        setTimeout(resolve, lookTime);
      });
    }
  } catch {
    // It has ended.
  }
  return undefined;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
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
  const quarter = Math.max(1, Math.floor(values.length / 4));
  return { early: median(values.slice(quarter, 2 * quarter)), late: median(values.slice(-quarter)) };
}
