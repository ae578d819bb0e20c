/** @file A run that cannot train stops with an error, and its last checkpoint stays complete. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { describeError } from '../../../src-main/base/errors.ts';
import { checkpointWeights, loadModel } from '../../../src-main/engine/model/weights.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { saveCheckpoint } from '../../../src-main/engine/train/step-checkpoint.ts';
import { train } from '../../../src-main/engine/train/train-job.ts';
import { Training } from '../../../src-main/engine/train/training.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { readEvents } from '../../../src-main/store/run/events.ts';
import { changeSettings, readRun, savedSteps, summarizeRun } from '../../../src-main/store/run/runs.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { emptyHistory } from '../../../src-main/train/spikes.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { collect, createTestRun, createTextFile, eventsOfType, neverAborted } from '../workbench.ts';
import { digestState, lossesOf, textFile, tinyCheckpoint, trainRun, trainUntilStep } from './train-run.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** Trains a run that fails, and returns its last event, which must be in its file too. */
async function trainToFailure(run: string): Promise<RunEvent> {
  const last = (await trainRun(run)).at(-1)!;
  expect(last).toMatchObject({ type: 'stopped', reason: 'failed' });
  expect(await readEvents(run)).toContainEqual(last);
  return last;
}

function writeBytes(name: string, bytes: string | Uint8Array): string {
  const path = join(freshFolder(), name);
  writeFileSync(path, bytes);
  return path;
}

describe('a run fails', () => {
  it('when its loss is not finite, and resumes from the checkpoint before', async () => {
    const run = await createTestRun(await tinyCheckpoint, textFile, { saveEvery: 2 });
    await trainUntilStep(run, 2);
    const savedState = await digestState(run);
    await changeSettings(run, { ...(await readRun(run)).settings, saveEvery: 0 });
    const step = Training.prototype.step;
    vi.spyOn(Training.prototype, 'step').mockImplementation(function (this: Training, order, readBatch) {
      return step.call(this, { ...order, lr: 1e38 }, readBatch);
    });
    expect(await trainToFailure(run)).toMatchObject({ error: { code: 'run/not-finite' } });
    expect(await summarizeRun(run)).toMatchObject({
      state: 'failed',
      savedStep: 2,
      error: { code: 'run/not-finite' },
    });
    expect(await digestState(run)).toEqual(savedState);
    vi.restoreAllMocks();
    expect((await trainRun(run)).at(-1)).toMatchObject({ reason: 'finished' });
    const uninterrupted = await trainRun(await createTestRun(await tinyCheckpoint, textFile));
    expect(lossesOf(await readEvents(run))).toEqual(lossesOf(uninterrupted));
  });

  it('when the context is longer than the positions of the model', async () => {
    const checkpoint = await makeTinyCheckpoint('gpt2', { tokenizer: true, dims: { positions: 8 } });
    expect(await trainToFailure(await createTestRun(checkpoint, textFile))).toMatchObject({
      error: { code: 'run/bad-setting', detail: { setting: 'context length' } },
    });
  });

  it('when its text is shorter than one context', async () => {
    const path = writeBytes('short.txt', 'a few');
    expect(await trainToFailure(await createTestRun(await tinyCheckpoint, path))).toMatchObject({
      error: { code: 'data/empty', detail: { path, needed: 17 } },
    });
  });

  it('when its text is not UTF-8', async () => {
    const path = writeBytes('binary.txt', Uint8Array.of(104, 255, 254, 0));
    expect(await trainToFailure(await createTestRun(await tinyCheckpoint, path))).toMatchObject({
      error: { code: 'file/not-text' },
    });
  });

  it('when its text has changed before a resume', async () => {
    const data = createTextFile();
    const run = await createTestRun(await tinyCheckpoint, data, { saveEvery: 2 });
    await trainUntilStep(run, 2);
    const text = readFileSync(data, 'utf8');
    // Longer, and other text with as many tokens: every letter is a token.
    for (const changed of [`${text} and more of it`, `X${text.slice(1)}`]) {
      writeFileSync(data, changed);
      const stopped = await trainToFailure(run);
      const error = stopped.type === 'stopped' ? stopped.error : undefined;
      expect(error).toMatchObject({ code: 'run/text-changed', detail: { data: [data] } });
      const [message, remedy] = describeError(error!);
      expect(message).toMatch(/^the text of the run .* has changed/);
      expect(remedy).toMatch(/^Restore the text as it was \(/);
    }
    writeFileSync(data, text);
    await trainRun(run);
    expect(await summarizeRun(run)).toMatchObject({ state: 'finished' });
  });

  it('when its device does not exist, and uses no other device', async () => {
    const run = await createTestRun(await tinyCheckpoint, textFile, { device: 'cuda' });
    expect(await trainToFailure(run)).toMatchObject({
      error: { code: 'engine/no-device', detail: { device: 'cuda' } },
    });
    expect(eventsOfType(await readEvents(run), 'started')).toEqual([]);
  });
});

describe('a run that is training', () => {
  it('cannot be trained a second time', async () => {
    const run = await createTestRun(await tinyCheckpoint, textFile);
    const events = train({ run }, neverAborted);
    let next = await events.next();
    while (!next.done && next.value.type !== 'started') next = await events.next();
    await expectAppError('run/already-running', () => trainRun(run));
    await collect(events);
    expect(await summarizeRun(run)).toMatchObject({ state: 'finished' });
  });
});

describe('saveCheckpoint', () => {
  it('refuses weights that are not finite and leaves no folder', async () => {
    const run = await createTestRun(await tinyCheckpoint, textFile);
    const base = await openCheckpoint(await tinyCheckpoint);
    const device = await openDevice('cpu');
    const loaded = await loadModel(device, base, checkpointWeights(base));
    const [name, tensor] = [...loaded.tensors][0]!;
    const values = tensor.values('float32');
    values[3] = Infinity;
    loaded.tensors.set(name, await device.upload(values, 'float32', tensor.shape));
    const record = {
      version: 2,
      step: 4,
      tokens: 1,
      seconds: 1,
      deviceSeconds: 1,
      joules: null,
      trainTokens: 1,
      cursor: 4,
      updates: 4,
      history: emptyHistory,
    } as const;
    await expectAppError('run/not-finite', () => saveCheckpoint(device, run, base, loaded, record));
    expect(await savedSteps(run)).toEqual([]);
    expect(readdirSync(join(run, 'checkpoints'))).toEqual([]);
    await device.dispose();
  });
});
