/** @file Training through the engine: the losses of the graph, the same bytes for the same seed, and the events. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkpointWeights, loadModel } from '../../../src-main/engine/model/weights.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { openCheckpoint, type Checkpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { openTokens, tokenizeFiles, type Tokens } from '../../../src-main/store/data/tokenize.ts';
import { openHome } from '../../../src-main/store/home/home.ts';
import { readEvents } from '../../../src-main/store/run/events.ts';
import { readRun, savedSteps } from '../../../src-main/store/run/runs.ts';
import { partsOf, windowStarts } from '../../../src-main/train/batches.ts';
import { learningRate } from '../../../src-main/train/schedule.ts';
import type { TrainingSettings } from '../../../src-main/train/settings.ts';
import { stateNames } from '../../../src-main/train/state.ts';
import { stepProgram, type BucketModel } from '../../../src-main/train/step.ts';
import { hostScalars } from '../../../src-main/train/update.ts';
import { createGraphRunner, type Feed } from '../../support/run-graph.ts';
import { freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import {
  createGoldenWithTokenizer,
  createTestRun,
  createTextFile,
  eventsOfType,
  mainFamilies,
  readValues,
  smallSettings,
} from '../workbench.ts';
import {
  digestState,
  lossesOf,
  openNewestModel,
  readModelAt,
  stepNumbersOf,
  stepsTo,
  textFile,
  tinyCheckpoint,
  tokensPerSmallStep,
  trainRun,
} from './train-run.ts';

function writeText(name: string, text: string): string {
  const path = join(freshFolder(), name);
  writeFileSync(path, text);
  return path;
}

/** The tokens of a text file, as a run reads them. */
async function readTokens(path: string, checkpoint: Checkpoint): Promise<Tokens> {
  const { folders } = await tokenizeFiles({
    data: [path],
    tokenizerDir: checkpoint.dir,
    vocabSize: checkpoint.dims['vocab']!,
    cacheDir: await openHome().createCacheDir('tokens'),
  });
  return openTokens(folders);
}

/** The state that training starts with: the checkpoint's weights, and moments of 0. */
async function initialState(model: BucketModel, checkpoint: Checkpoint): Promise<Record<string, Feed>> {
  const state: Record<string, Float32Array> = {};
  for (const bucket of model.buckets) {
    for (const part of ['weights', 'expAvg', 'expAvgSq'])
      state[`${part}/${bucket.index}`] = new Float32Array(bucket.length);
    for (const slot of bucket.slots)
      state[`weights/${bucket.index}`]!.set(await readValues(checkpoint, slot.name), slot.offset);
  }
  return state;
}

/** Runs the graph of a training step `steps` times. Returns the losses and the last state. */
async function runGraph(
  model: BucketModel,
  settings: TrainingSettings,
  initial: Readonly<Record<string, Feed>>,
  tokens: Tokens,
  steps: number,
): Promise<{ readonly losses: readonly number[]; readonly state: Readonly<Record<string, Feed>> }> {
  const { heldOut, contextLength } = settings;
  const parts = partsOf([{ tokens: tokens.length, weight: 1 }], heldOut, contextLength);
  const program = await createGraphRunner(
    stepProgram(model, { ...settings, activationCheckpointing: 'off' }, settings),
  );
  const losses: number[] = [];
  let state = initial;
  for (const step of stepsTo(steps)) {
    const starts = windowStarts(step - 1, { ...settings, parts });
    const batch = starts.flatMap((start) => [...tokens.read(start, contextLength + 1)]);
    const { emaDecay, ...scalars } = hostScalars(settings, step, learningRate(settings, step));
    expect(emaDecay).toBe(0);
    const scalarFeeds = Object.entries(scalars).map(([name, x]) => [name, Float32Array.of(x)] as const);
    const outputs = await program({
      ...state,
      tokens: Int32Array.from(batch),
      ...Object.fromEntries(scalarFeeds),
    });
    losses.push(outputs['loss']![0]!);
    state = Object.fromEntries(stateNames(model.buckets).map((name) => [name, outputs[`next/${name}`]!]));
  }
  return { losses, state };
}

describe.each(['gpt2-tied', 'llama-tied-gqa'])('twenty steps of %s', (name) => {
  it('have the losses and the final weights of the training graph', async () => {
    const source = await createGoldenWithTokenizer(name);
    const words = Array.from({ length: 700 }, (_, i) => `w${2 + ((i * i + 3 * i) % 31)}`);
    const text = writeText('words.txt', words.join(' '));
    const run = await createTestRun(source, text, {
      tokens: 20 * 2 * 8,
      contextLength: 8,
      schedule: 'constant',
      warmupSteps: 3,
    });
    const events = await trainRun(run);
    expect(events.at(-1)).toMatchObject({ type: 'stopped', reason: 'finished', step: 20 });

    const { settings } = await readRun(run);
    const checkpoint = await openCheckpoint(source);
    const { model } = await loadModel(await openDevice('cpu'), checkpoint, checkpointWeights(checkpoint));
    const tokens = await readTokens(text, checkpoint);
    const initial = await initialState(model, checkpoint);
    const expected = await runGraph(model, settings, initial, tokens, 20);
    for (const [i, loss] of lossesOf(events).entries())
      expect(Math.abs(loss / expected.losses[i]! - 1), `step ${i + 1}`).toBeLessThan(1e-6);
    const trained = await openNewestModel(run);
    for (const bucket of model.buckets)
      for (const { name: weight, offset, count } of bucket.slots) {
        const flat = expected.state[`weights/${bucket.index}`] as Float32Array;
        const wanted = flat.subarray(offset, offset + count);
        const differences = (await readValues(trained, weight)).map((x, i) => Math.abs(x - wanted[i]!));
        expect(Math.max(...differences), weight).toBeLessThan(1e-5);
      }
  });
});

describe.each([1, 2])('a run with %i micro-batches per update', (gradAccum) => {
  const steps = 6;
  const settings = { gradAccum, tokens: steps * gradAccum * tokensPerSmallStep };
  const trained = (async () => {
    const run = await createTestRun(await tinyCheckpoint, textFile, settings);
    const events = await trainRun(run);
    return { run, events, state: await digestState(run) };
  })();

  it('gives the same bytes in a second run', async () => {
    const { events, state } = await trained;
    const again = await createTestRun(await tinyCheckpoint, textFile, settings);
    expect(lossesOf(await trainRun(again))).toEqual(lossesOf(events));
    expect(await digestState(again)).toEqual(state);
  });

  it('gives other losses with another seed', async () => {
    const { events } = await trained;
    const other = await createTestRun(await tinyCheckpoint, textFile, { ...settings, seed: 1 });
    expect(lossesOf(await trainRun(other))).not.toEqual(lossesOf(events));
  });

  it('reports loss, learning rate, gradient norm, tokens and time of every step', async () => {
    const { events } = await trained;
    expect(stepNumbersOf(events)).toEqual(stepsTo(steps));
    for (const { step, tokens, lr, loss, gradNorm, seconds } of eventsOfType(events, 'step')) {
      expect(tokens).toBe(step * gradAccum * tokensPerSmallStep);
      expect(lr).toBe(learningRate({ ...smallSettings, ...settings }, step));
      expect(loss).toBeGreaterThan(0);
      expect(gradNorm).toBeGreaterThan(0);
      expect(seconds).toBeGreaterThan(0);
    }
  });

  it('reports its events in order, in the file as in the stream', async () => {
    const { run, events } = await trained;
    const isTimed = ({ type }: { readonly type: string }): boolean =>
      ['preparing', 'usage', 'measured'].includes(type);
    expect(events.filter((event) => !isTimed(event)).map((event) => event.type)).toEqual([
      'started',
      'evaluated',
      ...Array<string>(steps).fill('step'),
      'evaluated',
      'sample',
      'saved',
      'stopped',
    ]);
    expect(eventsOfType(events, 'started')[0]).toMatchObject({ device: 'cpu', steps });
    expect(await readEvents(run)).toEqual(events);
  });
});

describe.each(mainFamilies)('a run of %s', (family) => {
  const settings = { tokens: 30 * 2 * 16, saveEvery: 10, evaluateEvery: 10, sampleEvery: 15 };
  const trained = (async () => {
    const checkpoint = await makeTinyCheckpoint(family, { tokenizer: true });
    const run = await createTestRun(checkpoint, textFile, settings);
    return { run, events: await trainRun(run) };
  })();

  it('lowers the loss on the training text and on the held-out text', async () => {
    const { events } = await trained;
    const losses = lossesOf(events);
    const evaluated = eventsOfType(events, 'evaluated');
    expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.3);
    expect(evaluated.at(-1)!.loss).toBeLessThan(evaluated[0]!.loss - 0.3);
  });

  it('evaluates, samples and saves as often as its settings say', async () => {
    const { run, events } = await trained;
    expect(eventsOfType(events, 'evaluated').map((event) => event.step)).toEqual([0, 10, 20, 30]);
    expect(eventsOfType(events, 'sample').map((event) => event.step)).toEqual([15, 30]);
    for (const { prompt, text } of eventsOfType(events, 'sample'))
      expect([prompt, text.length > 0]).toEqual(['the', true]);
    expect((await savedSteps(run)).map((saved) => saved.step)).toEqual([20, 30]);
  });

  it('saves Hugging Face folders with a tokenizer', async () => {
    const { summary } = await openNewestModel((await trained).run);
    expect(summary).toMatchObject({ family, dtypes: ['float32'], tokenizer: { size: 260 } });
  });

  it('cannot be trained further when it has finished', async () => {
    const events = await trainRun((await trained).run);
    expect(events.at(-1)).toMatchObject({ reason: 'failed', error: { code: 'run/finished' } });
  });
});

describe('train', () => {
  it('reports the size of a step, without weight decay, relative to the weights', async () => {
    const settings = { tokens: 8 * tokensPerSmallStep, saveEvery: 1, evaluateEvery: 4, weightDecay: 0 };
    const run = await createTestRun(await tinyCheckpoint, textFile, settings);
    const events = await trainRun(run);
    const before = await readModelAt(run, 7);
    let squaredChange = 0;
    let squaredSize = 0;
    for (const [name, values] of await readModelAt(run, 8))
      for (const [i, value] of values.entries()) {
        squaredChange += (value - before.get(name)![i]!) ** 2;
        squaredSize += value * value;
      }
    const { updateRatio } = eventsOfType(events, 'step').at(-1)!;
    expect(updateRatio! / Math.sqrt(squaredChange / squaredSize)).toBeCloseTo(1, 3);
  });

  it('gives concurrent runs on the same new text the same losses', async () => {
    for (let n = 0; n < 6; n++) {
      const data = createTextFile(3000, 100 + n);
      const startRun = async () => trainRun(await createTestRun(await tinyCheckpoint, data));
      const runs = await Promise.all([startRun(), startRun(), startRun()]);
      for (const events of runs) {
        expect(events.at(-1)).toMatchObject({ reason: 'finished' });
        expect(lossesOf(events)).toEqual(lossesOf(runs[0]!));
      }
    }
  });

  it('never trains on held-out text', async () => {
    const trainOnTextWithEnd = async (end: string) => {
      const text = writeText('plain.txt', 'abcabdacbdbadcb '.repeat(60) + end.repeat(6));
      // More than one epoch.
      const settings = { tokens: 80 * 2 * 16, evaluateEvery: 40, heldOut: 0.1 };
      return trainRun(await createTestRun(await tinyCheckpoint, text, settings));
    };
    const similarEnd = await trainOnTextWithEnd('abcabdacbdbadcb ');
    const otherEnd = await trainOnTextWithEnd('zzyyxxwwvvuuqqoo');
    const { trainTokens, heldOutTokens } = eventsOfType(similarEnd, 'started')[0]!;
    expect(trainTokens + heldOutTokens).toBe(1 + 66 * 16);
    expect(lossesOf(similarEnd)).toEqual(lossesOf(otherEnd));
    const finalLoss = (events: typeof similarEnd): number => eventsOfType(events, 'evaluated').at(-1)!.loss;
    expect(finalLoss(similarEnd)).toBeLessThan(finalLoss(otherEnd) - 1);
  });
});
