import { appendFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { ErrorData } from '../../src-main/base/errors.ts';
import { addFittingChanges } from '../../src-main/cost/fit.ts';
import { addAdvice } from '../../src-main/service/advice.ts';
import { openCheckpoint } from '../../src-main/store/checkpoint/checkpoint.ts';
import { createRun } from '../../src-main/store/run/runs.ts';
import type { DeviceKind } from '../../src-main/train/settings.ts';
import { exampleCheckpoint, trainingSettings } from '../support/test-service.ts';
import { freePath } from '../support/temporary.ts';

const outOfMemory: ErrorData = {
  code: 'engine/out-of-memory',
  detail: { device: 'the engine', detail: 'x' },
};
const killed: ErrorData = {
  code: 'engine/crashed',
  detail: { how: 'killed by the system, which may have been short of memory', lines: '' },
};
const settings = trainingSettings({ microBatch: 512, contextLength: 64 });

/** Creates a run that has started on this device, or that has not started. */
async function createTestRun(device?: DeviceKind, memory?: number | null): Promise<string> {
  const dir = freePath('run');
  await createRun(dir, { checkpoint: exampleCheckpoint, data: [], settings, name: 'r' });
  if (!device) return dir;
  const started = {
    type: 'started',
    step: 0,
    device,
    deviceName: 'x',
    ...(memory === undefined ? {} : { memory }),
    parameters: 1,
    steps: 1,
    trainTokens: 1,
    heldOutTokens: 1,
    time: '',
  };
  appendFileSync(join(dir, 'events.jsonl'), `${JSON.stringify(started)}\n`);
  return dir;
}

it.each([
  ['cuda', 2e9],
  ['webgpu', null],
  ['cuda', undefined],
  ['cpu', undefined],
] as const)('suggests settings that fit the device of the run: %s with %s bytes', async (device, memory) => {
  const { summary } = await openCheckpoint(exampleCheckpoint);
  const dir = await createTestRun(device, memory);
  const capacity = device === 'cpu' ? totalmem() : (memory ?? null);
  const advised = await addAdvice(dir, outOfMemory);
  expect(advised).toEqual(addFittingChanges(outOfMemory, summary, settings, device, capacity));
  expect((advised.detail as { fits: readonly unknown[] }).fits.length).toBeGreaterThan(0);
  expect(await addAdvice(dir, killed)).toEqual(
    addFittingChanges(killed, summary, settings, device, capacity),
  );
});

it('suggests settings that need less memory for a run that has not started', async () => {
  const dir = await createTestRun();
  expect((await addAdvice(dir, outOfMemory)).detail).toHaveProperty('fits');
  expect(await addAdvice(dir, killed)).toEqual(killed);
});
