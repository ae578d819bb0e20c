/**
 * @file Is loaded into the server and its engines. On SIGUSR2 it collects garbage, and writes what is left: V8 enlarges
 * its heap when garbage piles up on a busy computer, so memory of the process alone cannot tell a small leak.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';

export interface LiveMemory {
  /** Bytes of objects and buffers that JavaScript still reaches. */
  readonly live: number;
  /** Bytes of the process in memory. */
  readonly resident: number;
}

const folder = process.env['CAMBIUM_LIVE_MEMORY'];

if (folder !== undefined && isMainThread) {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  process.on('SIGUSR2', () => {
    collect();
    const { heapUsed, external, rss } = process.memoryUsage();
    const path = join(folder, String(process.pid));
    const memory: LiveMemory = { live: heapUsed + external, resident: rss };
    writeFileSync(`${path}.new`, JSON.stringify(memory));
    renameSync(`${path}.new`, path);
  });
}
