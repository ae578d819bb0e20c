/** @file A run that was stopped resumes with the losses and the bytes of a run that was never stopped. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createAborter } from '../../../src-main/base/signals.ts';
import { train } from '../../../src-main/engine/train/train-job.ts';
import { eventsFile, readEvents } from '../../../src-main/store/run/events.ts';
import { requestStop, summarizeRun } from '../../../src-main/store/run/runs.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { createTestRun, createTextFile } from '../workbench.ts';
import {
  digestState,
  lossesOf,
  stepNumbersOf,
  stepsTo,
  textFile,
  tinyCheckpoint,
  tokensPerSmallStep,
  trainRun,
  trainUntil,
  trainUntilStep,
} from './train-run.ts';

const steps = 6;

/** Trains a run and stops it after a step, by its signal or by a request in its folder. */
async function trainAndStop(
  run: string,
  step: number,
  how: 'signal' | 'request',
): Promise<readonly RunEvent[]> {
  const { signal, abort } = createAborter();
  const events: RunEvent[] = [];
  for await (const event of train({ run }, signal)) {
    events.push(event);
    const isStart = event.type === 'started' && step === 0;
    if (!isStart && !(event.type === 'step' && event.step === step)) continue;
    if (how === 'signal') abort();
    else await requestStop(run);
  }
  return events;
}

describe.each([1, 2])('a resumed run with %i micro-batches per update', (gradAccum) => {
  const settings = { gradAccum, tokens: steps * gradAccum * tokensPerSmallStep };
  const createRun = async (): Promise<string> => createTestRun(await tinyCheckpoint, textFile, settings);
  const uninterrupted = (async () => {
    const run = await createRun();
    return { losses: lossesOf(await trainRun(run)), state: await digestState(run) };
  })();

  const stops = Array.from({ length: steps }, (_, step) =>
    (['signal', 'request'] as const).map((how) => [step, how] as const),
  ).flat();
  it.each(stops)('continues as if it had not been stopped after step %i by a %s', async (step, how) => {
    const run = await createRun();
    const stopped = await trainAndStop(run, step, how);
    expect(stopped.at(-1)).toMatchObject({ type: 'stopped', reason: 'requested', step });
    expect(await summarizeRun(run)).toMatchObject({ state: 'paused', step, savedStep: step });
    const resumed = await trainRun(run);
    expect(resumed.at(-1)).toMatchObject({ type: 'stopped', reason: 'finished', step: steps });
    expect(lossesOf(await readEvents(run))).toEqual((await uninterrupted).losses);
    expect(await digestState(run)).toEqual((await uninterrupted).state);
    expect(await summarizeRun(run)).toMatchObject({ state: 'finished', step: steps });
  });
});

describe('a resume', () => {
  it('removes the events after its checkpoint, and a last line that was cut off', async () => {
    const run = await createTestRun(await tinyCheckpoint, textFile, { saveEvery: 2 });
    await trainUntilStep(run, 4);
    const path = eventsFile(run);
    const lines = readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => !line.includes('"stopped"'));
    const later = { type: 'step', step: 5, loss: 1, lr: 1, gradNorm: 1, tokens: 1, seconds: 1 };
    writeFileSync(path, `${lines.join('\n')}${JSON.stringify(later)}\n{"type":"step","st`);
    await trainRun(run);
    const events = await readEvents(run);
    expect(stepNumbersOf(events)).toEqual(stepsTo(steps));
    const uninterrupted = await trainRun(await createTestRun(await tinyCheckpoint, textFile));
    expect(lossesOf(events)).toEqual(lossesOf(uninterrupted));
  });
});

describe('a stop while the text is read', () => {
  it('pauses the run at step 0', async () => {
    const run = await createTestRun(await tinyCheckpoint, createTextFile(400_000, 9));
    const events = await trainUntil(run, () => true);
    expect(events.at(-1)).toMatchObject({ type: 'stopped', reason: 'requested', step: 0 });
    expect(await summarizeRun(run)).toMatchObject({ state: 'paused', step: 0 });
    expect(existsSync(join(run, 'lock'))).toBe(false);
  });
});
