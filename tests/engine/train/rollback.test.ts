/**
 * @file What a run does against harm: spikes left out, the way back to the last good state, and a stop when
 * that does not help.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { createAborter } from '../../../src-main/base/signals.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { readStepRecord } from '../../../src-main/engine/train/step-record.ts';
import { train } from '../../../src-main/engine/train/train-job.ts';
import { Training, type StepReport } from '../../../src-main/engine/train/training.ts';
import { checkpointWeights, loadModel } from '../../../src-main/engine/model/weights.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { readEvents } from '../../../src-main/store/run/events.ts';
import { newestStep, summarizeRun } from '../../../src-main/store/run/runs.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import { collect, digestFiles, createTestRun, eventsOfType, neverAborted, smallSettings, createTextFile } from '../workbench.ts';

const tiny = makeTinyCheckpoint('llama', { tokenizer: true });
const text = createTextFile();
const perStep = smallSettings.microBatch * smallSettings.contextLength;
const ran = async (dir: string): Promise<readonly RunEvent[]> => collect(train({ run: dir }, neverAborted));
const stateOf = async (dir: string): Promise<unknown> =>
  digestFiles((await newestStep(dir))!.dir, (path) => path.endsWith('.safetensors'));
afterEach(() => {
  vi.restoreAllMocks();
});

it('a spike is left out and told, in a resumed run as in one that never stopped', async () => {
  const data = join(freshFolder(), 'even.txt');
  const settings = {
    tokens: 210 * 16,
    microBatch: 1,
    lr: 1e-2,
    warmupSteps: 1,
    schedule: 'constant',
    heldOut: 0,
  } as const; // three epochs
  writeFileSync(data, `${'abcd'.repeat(140)}QzXj#7!vK%pW@0&Y${'abcd'.repeat(140)}`);
  const dir = await createTestRun(await tiny, data, settings);
  const events = await ran(dir);
  const skipped = eventsOfType(events, 'skipped');
  const steps = eventsOfType(events, 'step');
  expect(skipped.length).toBeGreaterThan(0);
  for (const e of skipped) {
    expect(e.value!).toBeGreaterThanOrEqual(e.limit!);
    expect(steps[e.step - 1]).toMatchObject({
      step: e.step,
      ratio: 0,
      [e.what === 'loss' ? 'loss' : 'norm']: e.value,
    });
  }
  expect(steps.map((e) => e.step)).toEqual(Array.from({ length: 210 }, (_, i) => i + 1));
  expect(steps.filter((e) => e.updateRatio === 0).map((e) => e.step)).toEqual(skipped.map((e) => e.step));
  const stopped = await createTestRun(await tiny, data, settings);
  const { signal, abort } = createAborter();
  for await (const event of train({ run: stopped }, signal))
    // the limits are part of what is saved
    if (event.type === 'step' && event.step === skipped[0]!.step - 3) abort();
  await ran(stopped);
  expect(eventsOfType(await readEvents(stopped), 'skipped')).toEqual(skipped);
  expect(await stateOf(stopped)).toEqual(await stateOf(dir));
  expect(eventsOfType(await ran(await createTestRun(await tiny, data, { ...settings, spikeThreshold: 0 })), 'skipped')).toEqual([]);
});

const broken: StepReport = { loss: NaN, gradNorm: NaN, updateRatio: 0, applied: false };
/**
 * From now on, updates by their place among all calls: some answer that they were not finite. Gives what each
 * call would have read.
 */
function breaking(bad: (call: number) => boolean): readonly string[] {
  const whole = Training.prototype.step;
  const read: string[] = [];
  vi.spyOn(Training.prototype, 'step').mockImplementation(async function (this: Training, order, batch) {
    const into = new Int32Array(smallSettings.microBatch * (smallSettings.contextLength + 1));
    batch(0, into, new Int32Array(smallSettings.microBatch * smallSettings.contextLength));
    read.push(into.join(' '));
    return bad(read.length) ? broken : whole.call(this, order, batch);
  });
  return read;
}

it('goes back to the last saved state after steps that are not finite, and reads on behind them', async () => {
  const settings = { tokens: 12 * perStep, saveEvery: 2 };
  const clean = breaking(() => false);
  await ran(await createTestRun(await tiny, text, { ...settings, tokens: 16 * perStep }));
  vi.restoreAllMocks();
  const read = breaking((call) => call >= 6 && call <= 8);
  const dir = await createTestRun(await tiny, text, settings);
  const events = await ran(dir);
  expect(
    events.flatMap((e) =>
      ['step', 'skipped', 'rolled-back', 'saved', 'stopped'].includes(e.type) && 'step' in e
        ? [`${e.type} ${e.step}`]
        : [],
    ),
  ).toEqual([
    'step 1',
    'step 2',
    'saved 2',
    'step 3',
    'step 4',
    'saved 4',
    'step 5',
    'skipped 6',
    'skipped 7',
    'skipped 8',
    'rolled-back 4',
    'step 5',
    'step 6',
    'saved 6',
    'step 7',
    'step 8',
    'saved 8',
    'step 9',
    'step 10',
    'saved 10',
    'step 11',
    'step 12',
    'saved 12',
    'stopped 12',
  ]);
  expect(eventsOfType(events, 'rolled-back')).toMatchObject([{ step: 4, from: 8 }]);
  expect(eventsOfType(events, 'skipped')[0]).toMatchObject({ what: 'loss', value: null, limit: null });
  expect(read).toEqual(clean.slice(0, 16));
  expect(await readStepRecord((await newestStep(dir))!)).toMatchObject({ step: 12, cursor: 16, updates: 12 });

  vi.restoreAllMocks();
  breaking((call) => call >= 6 && call <= 8);
  const stopped = await createTestRun(await tiny, text, settings);
  const { signal, abort } = createAborter();
  for await (const event of train({ run: stopped }, signal))
    if (event.type === 'saved' && event.step === 8) abort();
  vi.restoreAllMocks();
  await ran(stopped);
  expect(await stateOf(stopped)).toEqual(await stateOf(dir));
});

it('keeps the history of having gone back when it is resumed from a step that was saved since', async () => {
  breaking((call) => call >= 6 && call <= 8);
  const dir = await createTestRun(await tiny, text, { tokens: 12 * perStep, saveEvery: 2 });
  const { signal, abort } = createAborter();
  for await (const event of train({ run: dir }, signal))
    if (event.type === 'saved' && event.step === 6) abort();
  vi.restoreAllMocks();
  const told = (events: readonly RunEvent[]): readonly string[] =>
    events.flatMap((e) =>
      ['step', 'skipped', 'rolled-back', 'saved'].includes(e.type) && 'step' in e ? [`${e.type} ${e.step}`] : [],
    );
  const before = told(await readEvents(dir));
  expect(before.slice(-7)).toEqual([
    'skipped 6',
    'skipped 7',
    'skipped 8',
    'rolled-back 4',
    'step 5',
    'step 6',
    'saved 6',
  ]);
  await ran(dir);
  expect(told(await readEvents(dir)).slice(0, before.length)).toEqual(before);
});

it('an update of several batches that was not finite leaves nothing behind for the next', async () => {
  const device = await openDevice('cpu');
  const checkpoint = await openCheckpoint(await tiny);
  const settings = { ...smallSettings, gradAccum: 2, distillWeight: 0.5 };
  try {
    const reports = await Promise.all(
      [true, false].map(async (spoiled) => {
        const [own, source] = [
          await loadModel(device, checkpoint, checkpointWeights(checkpoint)),
          await loadModel(device, checkpoint, checkpointWeights(checkpoint)),
        ];
        const training = await Training.open(device, own, settings, source);
        const step = (distill: number): Promise<StepReport> =>
          training.step(
            { update: 1, lr: 1e-3, limits: { loss: Infinity, gradNorm: Infinity }, distill },
            (i, tokens) => {
              tokens.forEach((_, at) => {
                tokens[at] = (7 * at + i) % 50;
              });
            },
          );
        if (spoiled) expect(await step(NaN)).toMatchObject({ applied: false, gradNorm: NaN });
        const report = await step(0.5);
        await training.dispose();
        for (const loaded of [own, source]) loaded.dispose();
        return report;
      }),
    );
    expect(reports[0]).toMatchObject({ applied: true });
    expect(reports[0]).toEqual(reports[1]);
  } finally {
    await device.dispose();
  }
});

it('goes back to the start where nothing was saved', async () => {
  breaking((call) => call >= 2 && call <= 4);
  const events = await ran(await createTestRun(await tiny, text));
  expect(eventsOfType(events, 'rolled-back')).toMatchObject([{ step: 0, from: 4 }]);
  expect(events.at(-1)).toMatchObject({ reason: 'finished', step: 6 });
});

it('one step that is not finite is only left out', async () => {
  breaking((call) => call === 3);
  const events = await ran(await createTestRun(await tiny, text));
  expect(eventsOfType(events, 'skipped').map((e) => e.step)).toEqual([3]);
  expect(eventsOfType(events, 'rolled-back')).toEqual([]);
  expect(eventsOfType(events, 'step').map((e) => e.step)).toEqual([1, 2, 4, 5, 6]);
});

it('stops when going back does not help, with the last good state whole', async () => {
  breaking((call) => call > 4);
  const dir = await createTestRun(await tiny, text, { saveEvery: 2, maxRollbacks: 2, rollbackAfter: 2 });
  const events = await ran(dir);
  expect(eventsOfType(events, 'rolled-back').map((e) => [e.step, e.from])).toEqual([
    [4, 6],
    [4, 6],
  ]);
  expect(events.at(-1)).toMatchObject({ type: 'stopped', reason: 'failed', error: { code: 'run/not-finite' } });
  expect(await summarizeRun(dir)).toMatchObject({
    state: 'failed',
    savedStep: 4,
    error: { code: 'run/not-finite' },
  });
  vi.restoreAllMocks();
  expect((await ran(dir)).at(-1)).toMatchObject({ reason: 'finished', step: 6 });
});

it('the last step is not the end while it is not finite', async () => {
  breaking((call) => call === 6);
  const dir = await createTestRun(await tiny, text, { saveEvery: 4 });
  const events = await ran(dir);
  expect(eventsOfType(events, 'rolled-back')).toMatchObject([{ step: 4, from: 6 }]);
  expect(events.at(-1)).toMatchObject({ reason: 'finished', step: 6 });
  expect(await summarizeRun(dir)).toMatchObject({ state: 'finished', savedStep: 6 });
});

it('told to stop among steps that are not finite, it keeps the state before them', async () => {
  breaking((call) => call >= 5);
  const dir = await createTestRun(await tiny, text, { saveEvery: 2, rollbackAfter: 10, tokens: 20 * perStep });
  const { signal, abort } = createAborter();
  for await (const event of train({ run: dir }, signal))
    if (event.type === 'skipped' && event.step === 6) abort();
  expect(await summarizeRun(dir)).toMatchObject({ state: 'paused', savedStep: 4 });
});
