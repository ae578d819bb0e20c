/** @file Advice on a run whose engine is gone is for the device that it was on. */
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

const full: ErrorData = { code: 'engine/out-of-memory', detail: { device: 'the engine', detail: 'x' } };
const killed: ErrorData = {
  code: 'engine/crashed',
  detail: { how: 'killed by the system, which may have been short of memory', lines: '' },
};
const large = trainingSettings({ microBatch: 512, contextLength: 64 });

async function runOn(device?: DeviceKind, memory?: number | null): Promise<string> {
  const dir = freePath('run');
  await createRun(dir, { checkpoint: exampleCheckpoint, data: [], settings: large, name: 'r' });
  if (device)
    appendFileSync(
      join(dir, 'events.jsonl'),
      `${JSON.stringify({ type: 'started', step: 0, device, deviceName: 'x', ...(memory === undefined ? {} : { memory }), parameters: 1, steps: 1, trainTokens: 1, heldOutTokens: 1, time: '' })}\n`,
    );
  return dir;
}

it.each([
  ['cuda', 2e9],
  ['webgpu', null],
  ['cuda', undefined],
  ['cpu', undefined],
] as const)('chosen by itself: %s with %s bytes', async (device, memory) => {
  const { summary: card } = await openCheckpoint(exampleCheckpoint);
  const dir = await runOn(device, memory);
  const capacity = device === 'cpu' ? totalmem() : (memory ?? null);
  const advice = await addAdvice(dir, full);
  expect(advice).toEqual(addFittingChanges(full, card, large, device, capacity));
  expect((advice.detail as { fits: readonly unknown[] }).fits.length).toBeGreaterThan(0);
  expect(await addAdvice(dir, killed)).toEqual(addFittingChanges(killed, card, large, device, capacity));
});

it('of a run that never began needs less, whatever that is', async () => {
  const dir = await runOn();
  expect((await addAdvice(dir, full)).detail).toHaveProperty('fits');
  expect(await addAdvice(dir, killed)).toEqual(killed);
});
