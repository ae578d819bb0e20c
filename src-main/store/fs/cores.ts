/** @file Counts the CPU cores that a computation may use. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';

/**
 * The number of physical cores, at most the processors that CPU affinity and cgroups leave to this process.
 * Two threads of one core share its arithmetic units, so they count once. On other systems than Linux it
 * returns `availableParallelism()`.
 */
export function countPhysicalCores(topology = '/sys/devices/system/cpu'): number {
  const cores = new Set<string>();
  try {
    for (let cpu = 0; cpu < cpus().length; cpu++)
      cores.add(readFileSync(`${topology}/cpu${cpu}/topology/thread_siblings_list`, 'utf8').trim());
  } catch {
    return availableParallelism();
  }
  return Math.max(1, Math.min(cores.size, availableParallelism()));
}
