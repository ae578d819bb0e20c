import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { physicalCores } from '../../../src-main/store/fs/cores.ts';
import { freshFolder } from '../../support/temporary.ts';

it('physical cores are at most the processors', () => {
  expect(physicalCores()).toBeGreaterThanOrEqual(1);
  expect(physicalCores()).toBeLessThanOrEqual(availableParallelism());
});

it('two threads of a core are one', () => {
  const topology = freshFolder();
  cpus().forEach((_, cpu) => {
    mkdirSync(join(topology, `cpu${cpu}`, 'topology'), { recursive: true });
    writeFileSync(
      join(topology, `cpu${cpu}`, 'topology', 'thread_siblings_list'),
      `${cpu - (cpu % 2)},${cpu - (cpu % 2) + 1}\n`,
    );
  });
  expect(physicalCores(topology)).toBe(Math.min(Math.ceil(cpus().length / 2), availableParallelism()));
  expect(physicalCores('/nowhere')).toBe(availableParallelism());
});
