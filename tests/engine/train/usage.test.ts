/** @file The usage of a run in its events and in estimate.json. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createError } from '../../../src-main/base/errors.ts';
import { costFile, type CostRecord } from '../../../src-main/cost/record.ts';
import { train } from '../../../src-main/engine/train/train-job.ts';
import { Training } from '../../../src-main/engine/train/training.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import type { TrainingSettings } from '../../../src-main/train/settings.ts';
import { createTestRun, eventsOfType, neverAborted } from '../workbench.ts';
import { estimatedRecord } from './estimated-record.ts';
import { textFile, tinyCheckpoint, trainRun } from './train-run.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** Creates a run of steps of 16 tokens with this content of estimate.json. */
async function createRunWithRecord(
  record: unknown,
  settings: Partial<TrainingSettings> = {},
): Promise<string> {
  const run = await createTestRun(await tinyCheckpoint, textFile, {
    tokens: 4000,
    contextLength: 8,
    microBatch: 2,
    saveEvery: 0,
    ...settings,
  });
  writeFileSync(join(run, costFile), JSON.stringify(record));
  return run;
}
const readRecord = (run: string): CostRecord =>
  JSON.parse(readFileSync(join(run, costFile), 'utf8')) as CostRecord;

/** Makes every step after the first `count` run out of memory. */
function failAfterSteps(count: number): void {
  const step = Training.prototype.step;
  let calls = 0;
  vi.spyOn(Training.prototype, 'step').mockImplementation(function (this: Training, order, readBatch) {
    calls++;
    if (calls <= count) return step.call(this, order, readBatch);
    return Promise.reject(createError('engine/out-of-memory', { device: 'cpu', detail: 'x' }));
  });
}
const outOfMemory = { reason: 'failed', error: { code: 'engine/out-of-memory' } };

describe('a run', () => {
  it('saves and stops when its budget is spent', async () => {
    const run = await createRunWithRecord(estimatedRecord, { budgetTokens: 64 });
    const events = await trainRun(run);
    expect(events.at(-1)).toMatchObject({ type: 'stopped', reason: 'requested', step: 4 });
    expect(eventsOfType(events, 'budget')).toMatchObject([{ what: 'tokens', step: 4, spent: 64 }]);
    expect(eventsOfType(events, 'saved').at(-1)!.step).toBe(4);
    expect(eventsOfType(events, 'usage').length).toBeGreaterThan(0);
    expect(readRecord(run).actual).toMatchObject({ steps: 4, tokens: 64 });
  });
});

describe('a run that fails', () => {
  it('keeps what it has used', async () => {
    failAfterSteps(7);
    const run = await createRunWithRecord(estimatedRecord);
    const events = await trainRun(run);
    expect(events.at(-2)).toMatchObject({ type: 'usage', step: 7 });
    expect(events.at(-1)).toMatchObject({ type: 'stopped', step: 7, ...outOfMemory });
    const { actual } = readRecord(run);
    expect(actual).toMatchObject({ steps: 7, tokens: 7 * 16 });
    expect(actual!.seconds).toBeGreaterThan(0);
  });

  it('ends with its own error when estimate.json cannot be written', async () => {
    failAfterSteps(7);
    const run = await createRunWithRecord(estimatedRecord);
    let last: RunEvent | undefined;
    for await (const event of train({ run }, neverAborted)) {
      last = event;
      if (event.type !== 'started') continue;
      rmSync(join(run, costFile));
      mkdirSync(join(run, costFile));
    }
    expect(last).toMatchObject(outOfMemory);
  });
});

describe('an estimate.json that is damaged', () => {
  it.each([
    {},
    { version: 1 },
    { version: 1, assumptions: null },
    { version: 2, assumptions: null },
    [],
    null,
  ])('(%j) is left as it is and does not keep a run from training', async (record) => {
    failAfterSteps(3);
    const run = await createRunWithRecord(record);
    for (let session = 0; session < 2; session++)
      expect((await trainRun(run)).at(-1)).toMatchObject(outOfMemory);
    expect(readRecord(run)).toEqual(record);
  });
});
