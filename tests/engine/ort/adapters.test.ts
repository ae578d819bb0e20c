import { totalmem } from 'node:os';
import { expect, test } from 'vitest';
import { findAdapter } from '../../../src-main/engine/ort/adapters.ts';
import { deviceKinds } from '../../../src-main/engine/ort/device-tensor.ts';

test.each(deviceKinds)('%s has a name, and a positive memory size if the driver reports one', (kind) => {
  const { name, memory, free } = findAdapter(kind);
  expect(name).toMatch(/\w/);
  for (const bytes of [memory, free]) if (bytes !== null) expect(bytes).toBeGreaterThan(0);
});

test('reports the memory of the machine for the CPU', () => {
  const { memory, free } = findAdapter('cpu');
  expect(memory).toBe(totalmem());
  expect(free!).toBeLessThanOrEqual(memory!);
});
