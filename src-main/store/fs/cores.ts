/** @file How many cores a computation may use: physical ones, and no more than the process was given. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';

/**
 * Physical cores (two threads of one core share its arithmetic), at most the processors that affinity and
 * cgroup leave us; only the latter where not on Linux.
 */
export function physicalCores(topology = '/sys/devices/system/cpu'): number {
  const cores = new Set<string>();
  try {
    for (let cpu = 0; cpu < cpus().length; cpu++)
      cores.add(readFileSync(`${topology}/cpu${cpu}/topology/thread_siblings_list`, 'utf8').trim());
  } catch {
    return availableParallelism();
  }
  return Math.max(1, Math.min(cores.size, availableParallelism()));
}
