import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { countPhysicalCores } from '../../../src-main/store/fs/cores.ts';
import { freshFolder } from '../../support/temporary.ts';

describe('countPhysicalCores', () => {
  it('counts at least one core and at most the available processors', () => {
    expect(countPhysicalCores()).toBeGreaterThanOrEqual(1);
    expect(countPhysicalCores()).toBeLessThanOrEqual(availableParallelism());
  });

  it('counts two threads of a core once', () => {
    const topology = freshFolder();
    cpus().forEach((_, cpu) => {
      const folder = join(topology, `cpu${cpu}`, 'topology');
      const even = cpu - (cpu % 2);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'thread_siblings_list'), `${even},${even + 1}\n`);
    });
    const cores = Math.ceil(cpus().length / 2);
    expect(countPhysicalCores(topology)).toBe(Math.min(cores, availableParallelism()));
    expect(countPhysicalCores('/nowhere')).toBe(availableParallelism());
  });
});
