/** @file A run on a GPU with too little memory: it says what would fit, keeps its checkpoints, and resumes. */
import { beforeAll, describe, expect, it } from 'vitest';
import { describeError, type ErrorData } from '../../../src-main/base/errors.ts';
import type { Fitting } from '../../../src-main/cost/fit.ts';
import { listDevices } from '../../../src-main/engine/device/devices.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { changeSettings, newestStep, readRun } from '../../../src-main/store/run/runs.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { createTestRun, createTextFile, digestFiles } from '../../engine/workbench.ts';
import { trainRun, trainUntilStep } from '../../engine/train/train-run.ts';
import { missing, standin } from './standin.ts';

/** Fits the run with smaller micro-batches, and not as it is. */
const smallMemory = 2.4e9;
/** Fits the weights, and not one step in any of the settings that are offered. */
const tinyMemory = 60e6;

type Stopped = Extract<RunEvent, { type: 'stopped' }>;

const lastEvent = (events: readonly RunEvent[]): Stopped => events.at(-1) as Stopped;
const fitsOf = ({ error }: Stopped): readonly Fitting[] =>
  ((error as ErrorData).detail as { fits: readonly Fitting[] }).fits;

describe.skipIf(missing)(`out of memory on the stand-in${missing ? `, skipped: ${missing}` : ''}`, () => {
  let run: string;
  beforeAll(async () => {
    if (missing) return;
    const checkpoint = await makeTinyCheckpoint('llama', {
      dims: {
        hidden: 256,
        heads: 4,
        kv_heads: 4,
        group: 2,
        head_dim: 32,
        ffn: 688,
        layers: 4,
        positions: 256,
      },
      config: { max_position_embeddings: 256 },
      tokenizer: true,
    });
    run = await createTestRun(checkpoint, createTextFile(60_000), {
      device: 'cuda',
      microBatch: 128,
      contextLength: 256,
      tokens: 8 * 128 * 256,
      heldOut: 0,
      activationCheckpointing: 'off',
    });
    await trainUntilStep(run, 2);
  });

  it('stops with changes that fit, and says so in words', async () => {
    const stopped = lastEvent(await standin.withMemory(smallMemory, () => trainRun(run)));
    expect(stopped).toMatchObject({
      reason: 'failed',
      step: 2,
      error: { code: 'engine/out-of-memory', detail: { device: 'cuda' } },
    });
    expect(fitsOf(stopped)).toHaveLength(3);
    for (const { bytes } of fitsOf(stopped)) expect(bytes).toBeLessThan(smallMemory);
    expect(describeError(stopped.error!)[1]).toContain('micro-batch');
  });

  it('keeps the checkpoint that it resumed from, and all device memory is freed', async () => {
    const { dir } = (await newestStep(run))!;
    const before = digestFiles(dir);
    const bytesBefore = standin.currentBytes();
    const stopped = lastEvent(await standin.withMemory(tinyMemory, () => trainRun(run)));
    expect(stopped.error).toMatchObject({ code: 'engine/out-of-memory' });
    expect((await newestStep(run))!.dir).toBe(dir);
    expect(digestFiles(dir)).toEqual(before);
    expect(standin.currentBytes()).toBe(bytesBefore);
  });

  it.each([0, 1, 2])('trains with suggestion %i in the memory that was too small', async (i) => {
    const { settings } = await readRun(run);
    const { change } = fitsOf(lastEvent(await standin.withMemory(smallMemory, () => trainRun(run))))[i]!;
    await changeSettings(run, { ...settings, ...change });
    const step = (await newestStep(run))!.step;
    const events = await standin.withMemory(smallMemory, () => trainUntilStep(run, step + 1));
    expect(lastEvent(events)).toMatchObject({ type: 'stopped', step: step + 1 });
    expect(lastEvent(events).error).toBeUndefined();
    await changeSettings(run, settings);
  });

  it('does not open a device whose memory does not suffice for a tensor', async () => {
    await standin.withMemory(256, async () => {
      await expect(openDevice('cuda')).rejects.toMatchObject({ code: 'engine/out-of-memory' });
      expect((await listDevices()).find(({ id }) => id === 'cuda')).toMatchObject({ available: false });
    });
  });
});
