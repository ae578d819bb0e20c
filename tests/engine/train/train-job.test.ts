/**
 * @file Training through the engine: the graph's own losses, the same bytes however often it was stopped, and
 * folders that stay sound when something fails.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { createAborter } from '../../../src-main/base/signals.ts';
import { openDevice } from '../../../src-main/engine/ort/device.ts';
import { grow } from '../../../src-main/engine/grow/grow-job.ts';
import { saveCheckpoint } from '../../../src-main/engine/train/step-checkpoint.ts';
import { Training } from '../../../src-main/engine/train/training.ts';
import { train } from '../../../src-main/engine/train/train-job.ts';
import { readFactors, checkpointWeights, randomWeights, loadModel } from '../../../src-main/engine/model/weights.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { openHome } from '../../../src-main/store/home/home.ts';
import { newestStep, readRun, requestStop, summarizeRun, savedSteps } from '../../../src-main/store/run/runs.ts';
import { readEvents } from '../../../src-main/store/run/events.ts';
import { openTokens, tokenizeFiles } from '../../../src-main/store/data/tokenize.ts';
import { partsOf, windowStarts } from '../../../src-main/train/batches.ts';
import { learningRate } from '../../../src-main/train/schedule.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { emptyHistory } from '../../../src-main/train/spikes.ts';
import { stateNames } from '../../../src-main/train/state.ts';
import { stepProgram } from '../../../src-main/train/step.ts';
import { hostScalars } from '../../../src-main/train/update.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { createGraphRunner, type Feed } from '../../support/run-graph.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';
import {
  mainFamilies,
  collect,
  digestFiles,
  createGoldenWithTokenizer,
  growthNamed,
  createTestRun,
  eventsOfType,
  planFor,
  neverAborted,
  smallSettings,
  createTextFile,
  readValues,
  readWeights,
} from '../workbench.ts';

const steps = 6;
const tiny = makeTinyCheckpoint('llama', { tokenizer: true });
const text = createTextFile();
const run = async (settings: Parameters<typeof createTestRun>[2] = {}, checkpoint?: string): Promise<string> =>
  createTestRun(checkpoint ?? (await tiny), text, settings);
const losses = (events: readonly RunEvent[]): readonly number[] => eventsOfType(events, 'step').map((e) => e.loss);
/** The newest checkpoint's bytes: weights and moments. */
const stateOf = async (dir: string): Promise<unknown> =>
  digestFiles((await newestStep(dir))!.dir, (path) => path.endsWith('.safetensors'));
const ran = async (dir: string): Promise<readonly RunEvent[]> => collect(train({ run: dir }, neverAborted));
const end = (events: readonly RunEvent[]): unknown => events.at(-1);

it.each(['gpt2-tied', 'llama-tied-gqa'])('twenty steps from %s lose what the graph loses', async (name) => {
  const source = await createGoldenWithTokenizer(name);
  const data = join(freshFolder(), 'words.txt');
  writeFileSync(data, Array.from({ length: 700 }, (_, i) => `w${2 + ((i * i + 3 * i) % 31)}`).join(' '));
  const dir = await createTestRun(source, data, {
    tokens: 20 * 2 * 8,
    contextLength: 8,
    schedule: 'constant',
    warmupSteps: 3,
  });
  const events = await ran(dir);
  const { settings: s } = await readRun(dir);
  expect(end(events)).toMatchObject({ type: 'stopped', reason: 'finished', step: 20 });

  const checkpoint = await openCheckpoint(source);
  const device = await openDevice('cpu');
  const { model } = await loadModel(device, checkpoint, checkpointWeights(checkpoint));
  const tokens = await openTokens(
    (
      await tokenizeFiles({
        data: [data],
        tokenizerDir: source,
        vocabSize: checkpoint.dims['vocab']!,
        cacheDir: await openHome().createCacheDir('tokens'),
      })
    ).folders,
  );
  const parts = partsOf([{ tokens: tokens.length, weight: 1 }], s.heldOut, s.contextLength);
  const program = await createGraphRunner(stepProgram(model, s, s));
  let state: Record<string, Feed> = Object.fromEntries(
    model.buckets.flatMap((b) =>
      ['weights', 'expAvg', 'expAvgSq'].map((part) => [`${part}/${b.index}`, new Float32Array(b.length)]),
    ),
  );
  for (const b of model.buckets)
    for (const slot of b.slots)
      (state[`weights/${b.index}`] as Float32Array).set(await readValues(checkpoint, slot.name), slot.offset);
  const expected: number[] = [];
  for (let t = 1; t <= 20; t++) {
    const batch = windowStarts(t - 1, { ...s, parts }).flatMap(
      (start) => [...tokens.read(start, s.contextLength + 1)],
    );
    const { emaDecay: memory, ...scalars } = hostScalars(s, t, learningRate(s, t));
    expect(memory).toBe(0);
    const out = await program({
      ...state,
      tokens: Int32Array.from(batch),
      ...Object.fromEntries(Object.entries(scalars).map(([n, x]) => [n, Float32Array.of(x)])),
    });
    expected.push(out['loss']![0]!);
    state = Object.fromEntries(stateNames(model.buckets).map((n) => [n, out[`next/${n}`]!]));
  }
  losses(events).forEach((loss, i) => {
    expect(Math.abs(loss / expected[i]! - 1), `step ${i + 1}`).toBeLessThan(1e-6);
  });
  const final = await openCheckpoint(join((await newestStep(dir))!.dir, 'model'));
  for (const b of model.buckets)
    for (const slot of b.slots) {
      const wanted = (state[`weights/${b.index}`] as Float32Array).subarray(
        slot.offset,
        slot.offset + slot.count,
      );
      expect(
        Math.max(...(await readValues(final, slot.name)).map((x, i) => Math.abs(x - wanted[i]!))),
        slot.name,
      ).toBeLessThan(1e-5);
    }
});

describe.each([1, 2])('accumulate %i', (accumulate) => {
  const settings = { accumulate, tokens: steps * accumulate * smallSettings.microBatch * smallSettings.contextLength };
  const whole = (async () => {
    const dir = await run(settings);
    const events = await ran(dir);
    return { dir, events, losses: losses(events), state: await stateOf(dir) };
  })();

  it('two runs with one seed are the same to the byte, another seed is not', async () => {
    const again = await run(settings);
    const other = await run({ ...settings, seed: 1 });
    expect(losses(await ran(again))).toEqual((await whole).losses);
    expect(await stateOf(again)).toEqual((await whole).state);
    expect(losses(await ran(other))).not.toEqual((await whole).losses);
  });

  it('reports every step with what a script needs', async () => {
    const { events } = await whole;
    const stepped = eventsOfType(events, 'step');
    expect(stepped.map((e) => e.step)).toEqual([1, 2, 3, 4, 5, 6]);
    for (const e of stepped) {
      expect(e.tokens).toBe(e.step * accumulate * smallSettings.microBatch * smallSettings.contextLength);
      expect(e.lr).toBe(learningRate({ ...smallSettings, ...settings }, e.step));
      expect(e.loss).toBeGreaterThan(0);
      expect(e.gradNorm).toBeGreaterThan(0);
      expect(e.seconds).toBeGreaterThan(0);
    }
    expect(
      events.filter((e) => !['preparing', 'usage', 'measured'].includes(e.type)).map((e) => e.type),
    ).toEqual([
      'started',
      'evaluated',
      ...Array<string>(steps).fill('step'),
      'evaluated',
      'sample',
      'saved',
      'stopped',
    ]);
    expect(eventsOfType(events, 'started')[0]).toMatchObject({ device: 'cpu', steps });
    expect(await readEvents((await whole).dir)).toEqual(events);
  });

  it.each(Array.from({ length: steps }, (_, n) => n))(
    'stopped after step %i and resumed it is as if it had never stopped',
    async (at) => {
      for (const how of ['signal', 'request'] as const) {
        const dir = await run(settings);
        const { signal, abort } = createAborter();
        const stop = async (): Promise<void> => {
          if (how === 'signal') abort();
          else await requestStop(dir);
        };
        const first: RunEvent[] = [];
        for await (const event of train({ run: dir }, signal)) {
          first.push(event);
          if ((event.type === 'started' && at === 0) || (event.type === 'step' && event.step === at))
            await stop();
        }
        expect(end(first)).toMatchObject({ type: 'stopped', reason: 'requested', step: at });
        expect(await summarizeRun(dir)).toMatchObject({ state: 'paused', step: at, savedStep: at });
        expect(end(await ran(dir))).toMatchObject({ type: 'stopped', reason: 'finished', step: steps });
        expect(losses(await readEvents(dir))).toEqual((await whole).losses);
        expect(await stateOf(dir)).toEqual((await whole).state);
        expect(await summarizeRun(dir)).toMatchObject({ state: 'finished', step: steps });
      }
    },
  );
});

it.each(mainFamilies)('%s learns, and its checkpoints are ordinary folders with everything to go on', async (id) => {
  const source = await makeTinyCheckpoint(id, { tokenizer: true });
  const dir = await run({ tokens: 30 * 2 * 16, saveEvery: 10, evaluateEvery: 10, sampleEvery: 15 }, source);
  const events = await ran(dir);
  expect(losses(events).at(-1)!).toBeLessThan(losses(events)[0]! - 0.3);
  expect(eventsOfType(events, 'evaluated').map((e) => e.step)).toEqual([0, 10, 20, 30]);
  expect(eventsOfType(events, 'evaluated').at(-1)!.loss).toBeLessThan(eventsOfType(events, 'evaluated')[0]!.loss - 0.3);
  expect(eventsOfType(events, 'sample').map((e) => e.step)).toEqual([15, 30]);
  for (const { prompt, text } of eventsOfType(events, 'sample'))
    expect([prompt, text.length > 0]).toEqual(['the', true]);
  expect((await savedSteps(dir)).map((s) => s.step)).toEqual([20, 30]);
  const { summary: card } = await openCheckpoint(join((await newestStep(dir))!.dir, 'model'));
  expect(card).toMatchObject({ family: id, dtypes: ['float32'], tokenizer: { size: 260 } });
  expect(end(await ran(dir))).toMatchObject({ reason: 'failed', error: { code: 'run/finished' } });
});

it('a resume takes back what was told after its checkpoint, and a torn last line', async () => {
  const dir = await run({ saveEvery: 2 });
  const { signal, abort } = createAborter();
  for await (const event of train({ run: dir }, signal)) if (event.type === 'step' && event.step === 4) abort();
  const path = join(dir, 'events.jsonl');
  const told = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => !line.includes('"stopped"'));
  writeFileSync(
    path,
    `${told.join('\n')}{"at":"step","step":5,"loss":1,"lr":1,"norm":1,"tokens":1,"seconds":1}\n{"at":"step","st`,
  );
  await ran(dir);
  expect(eventsOfType(await readEvents(dir), 'step').map((e) => e.step)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(losses(await readEvents(dir))).toEqual(losses(await ran(await run())));
});

describe('what fails, fails in one sentence and leaves the last checkpoint whole', () => {
  const failure = async (dir: string): Promise<unknown> => {
    const events = await ran(dir);
    expect(await readEvents(dir)).toContainEqual(end(events));
    return end(events);
  };
  const change = (dir: string, settings: object): void => {
    const path = join(dir, 'settings.json');
    const all = JSON.parse(readFileSync(path, 'utf8')) as { settings: object };
    writeFileSync(path, JSON.stringify({ ...all, settings: { ...all.settings, ...settings } }));
  };

  it('a loss that is not finite', async () => {
    const dir = await run({ saveEvery: 2 });
    const { signal, abort } = createAborter();
    for await (const event of train({ run: dir }, signal))
      if (event.type === 'step' && event.step === 2) abort();
    const good = await stateOf(dir);
    change(dir, { saveEvery: 0 });
    const step = Training.prototype.step;
    vi.spyOn(Training.prototype, 'step').mockImplementation(function (this: Training, order, readBatch) {
      return step.call(this, { ...order, lr: 1e38 }, readBatch);
    });
    expect(await failure(dir)).toMatchObject({
      type: 'stopped',
      reason: 'failed',
      error: { code: 'run/not-finite' },
    });
    expect(await summarizeRun(dir)).toMatchObject({
      state: 'failed',
      savedStep: 2,
      error: { code: 'run/not-finite' },
    });
    expect(await stateOf(dir)).toEqual(good);
    vi.restoreAllMocks();
    expect(end(await ran(dir))).toMatchObject({ reason: 'finished' });
    expect(losses(await readEvents(dir))).toEqual(losses(await ran(await run())));
  });

  it('weights that are not finite are not saved', async () => {
    const dir = await run();
    const base = await openCheckpoint(await tiny);
    const device = await openDevice('cpu');
    const loaded = await loadModel(device, base, checkpointWeights(base));
    const [name, tensor] = [...loaded.tensors][0]!;
    const values = tensor.values('float32');
    values[3] = Infinity;
    loaded.tensors.set(name, await device.upload(values, 'float32', tensor.shape));
    await expectAppError('run/not-finite', () =>
      saveCheckpoint(device, dir, base, loaded, {
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
      }),
    );
    expect(await savedSteps(dir)).toEqual([]);
    expect(readdirSync(join(dir, 'checkpoints'))).toEqual([]);
    await device.dispose();
  });

  it('a sequence that is longer than the positions', async () => {
    const short = await makeTinyCheckpoint('gpt2', { tokenizer: true, dims: { positions: 8 } });
    expect(await failure(await run({}, short))).toMatchObject({
      reason: 'failed',
      error: { code: 'run/bad-setting', detail: { setting: 'context length' } },
    });
  });

  it('a text that is too short, or not text', async () => {
    const short = join(freshFolder(), 'short.txt');
    const binary = join(freshFolder(), 'binary.txt');
    writeFileSync(short, 'a few');
    writeFileSync(binary, Uint8Array.of(104, 255, 254, 0));
    expect(await failure(await createTestRun(await tiny, short))).toMatchObject({
      reason: 'failed',
      error: { code: 'data/empty', detail: { path: short, needed: 17 } },
    });
    expect(await failure(await createTestRun(await tiny, binary))).toMatchObject({
      reason: 'failed',
      error: { code: 'file/not-text' },
    });
  });

  it('other text on a resume', async () => {
    const data = createTextFile();
    const dir = await createTestRun(await tiny, data, { saveEvery: 2 });
    const { signal, abort } = createAborter();
    for await (const event of train({ run: dir }, signal))
      if (event.type === 'step' && event.step === 2) abort();
    writeFileSync(data, `${readFileSync(data, 'utf8')} and more of it`);
    expect(await failure(dir)).toMatchObject({ error: { code: 'run/damaged' } });
  });

  it('a device that is not there: no other is used', async () => {
    const dir = await run({ device: 'cuda' });
    expect(await failure(dir)).toMatchObject({
      reason: 'failed',
      error: { code: 'engine/no-device', detail: { device: 'cuda' } },
    });
    expect(eventsOfType(await readEvents(dir), 'started')).toEqual([]);
  });

  it('a run that another process is at', async () => {
    const dir = await run();
    const going = train({ run: dir }, neverAborted);
    for (let next = await going.next(); !next.done && next.value.type !== 'started'; next = await going.next());
    await expectAppError('run/already-running', () => ran(dir));
    await collect(going);
    expect(await summarizeRun(dir)).toMatchObject({ state: 'finished' });
  });
});

it('runs that begin at once on the same new text do not disturb each other', async () => {
  for (let n = 0; n < 6; n++) {
    const data = createTextFile(3000, 100 + n);
    const all = await Promise.all([1, 2, 3].map(async () => ran(await createTestRun(await tiny, data))));
    for (const events of all) expect(end(events)).toMatchObject({ reason: 'finished' });
    for (const events of all) expect(losses(events)).toEqual(losses(all[0]!));
  }
});

it('told to stop while the text is read, it is paused, not failed', async () => {
  const dir = await createTestRun(await tiny, createTextFile(400_000, 9));
  const { signal, abort } = createAborter();
  const events: RunEvent[] = [];
  for await (const event of train({ run: dir }, signal)) {
    events.push(event);
    abort();
  }
  expect(end(events)).toMatchObject({ type: 'stopped', reason: 'requested', step: 0 });
  expect(await summarizeRun(dir)).toMatchObject({ state: 'paused', step: 0 });
  expect(existsSync(join(dir, 'lock'))).toBe(false);
});

describe('what a run starts from', () => {
  it('random weights differ from the source, have its sizes, and follow the seed', async () => {
    const base = await openCheckpoint(await tiny);
    const device = await openDevice('cpu');
    const values = async (source: ReturnType<typeof randomWeights>): Promise<readonly number[]> => {
      const { tensors } = await loadModel(device, base, source);
      return [...tensors.values()].flatMap((t) => [...t.values('float32')]);
    };
    const [source, a, b, c] = [
      await values(checkpointWeights(base)),
      await values(randomWeights(base, 1)),
      await values(randomWeights(base, 1)),
      await values(randomWeights(base, 2)),
    ];
    expect(a).toEqual(b);
    expect(a.length).toBe(source.length);
    expect(a).not.toEqual(c);
    expect(a).not.toEqual(source);
    const events = await ran(await run({ init: 'random' }));
    const uniform = Math.log(260);
    expect(Math.abs(losses(events)[0]! - uniform)).toBeLessThan(0.2); // random weights know nothing
    expect(losses(events)[0]).not.toBe(losses(await ran(await run()))[0]);
    await device.dispose();
  });

  it("a grown checkpoint's rates scale its updates, unless the settings say otherwise", async () => {
    const out = freePath('grown');
    await collect(
      grow(
        { source: await tiny, out, plan: await planFor(await tiny, growthNamed('hypercloning')), device: 'cpu' },
        neverAborted,
      ),
    );
    const base = await openCheckpoint(out);
    const rates = new Map([...readFactors(base)].map(([name, { lrScale: rate }]) => [name, rate]));
    const before = await readWeights(out);
    expect(new Set(rates.values()).size).toBeGreaterThan(1);
    for (const [setting, rateOf] of [
      ['on', (name: string) => rates.get(name)!],
      ['off', () => 1],
    ] as const) {
      const dir = await run(
        {
          perTensorLr: setting,
          tokens: 1,
          warmupSteps: 0,
          schedule: 'constant',
          weightDecay: 0,
          gradClip: 0,
          eps: 1e-12,
          lr: 1e-3,
        },
        out,
      );
      await ran(dir);
      const after = await openCheckpoint(join((await newestStep(dir))!.dir, 'model'));
      expect(after.growth).toEqual(base.growth);
      for (const [name, bytes] of before) {
        // Adam's first step moves every weight that has a gradient by the learning rate
        const old = new Float32Array(bytes.slice().buffer);
        const moved = Math.max(...(await readValues(after, name)).map((x, i) => Math.abs(x - old[i]!)));
        expect(moved / (1e-3 * rateOf(name)), `${setting} ${name}`).toBeCloseTo(1, 2);
      }
    }
  });
});

it('held-out text is never trained on', async () => {
  const plain = (tail: string): string => {
    const path = join(freshFolder(), 'plain.txt');
    writeFileSync(path, 'abcabdacbdbadcb '.repeat(60) + tail.repeat(6));
    return path;
  };
  const settings = { tokens: 80 * 2 * 16, evaluateEvery: 40, heldOut: 0.1 }; // more than an epoch
  const [a, b] = [
    await ran(await createTestRun(await tiny, plain('abcabdacbdbadcb '), settings)),
    await ran(await createTestRun(await tiny, plain('zzyyxxwwvvuuqqoo'), settings)),
  ];
  expect(eventsOfType(a, 'started')[0]!.trainTokens + eventsOfType(a, 'started')[0]!.heldOutTokens).toBe(1 + 66 * 16);
  expect(losses(a)).toEqual(losses(b));
  expect(eventsOfType(a, 'evaluated').at(-1)!.loss).toBeLessThan(eventsOfType(b, 'evaluated').at(-1)!.loss - 1);
});
