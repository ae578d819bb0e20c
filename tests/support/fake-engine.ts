/**
 * @file An engine without ONNX Runtime that works, stalls or crashes on request. It "trains" by counting, but
 * in a real run folder. `fake-processes.ts` runs it in memory, `fake-engine-child.ts` in its own process.
 */
import type { TuneEvent } from '../../src-main/contract/tune.ts';
import { readTuning, writeTuning } from '../../src-main/store/run/tuning-file.ts';
import { nextTrial } from '../../src-main/train/tuning/search.ts';
import type { Trial } from '../../src-main/train/tuning/tuning.ts';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { AppError, createError, toErrorData, refuse } from '../../src-main/base/errors.ts';
import type { AbortSignalLike } from '../../src-main/base/signals.ts';
import type { Engine } from '../../src-main/contract/engine.ts';
import type {
  Certificate,
  CertifyEvent,
  ChoicesEvent,
  Device,
  EvaluateEvent,
  ExportEvent,
  GrowEvent,
  RunEvent,
  SampleEvent,
} from '../../src-main/contract/schema.ts';
import type { PreviewEvent, TextPreview, TokenizeEvent } from '../../src-main/contract/text.ts';
import type { Exit } from '../../src-main/service/engines.ts';
import { stagesFromRecord } from '../../src-main/growth/plan/saved-plan.ts';
import { createPartialFolder } from '../../src-main/store/fs/folder.ts';
import { newestStep, openSession, readRun, saveStep } from '../../src-main/store/run/runs.ts';
import { stepsOf, tokensPerStep } from '../../src-main/train/schedule.ts';

/**
 * What the engine does in the middle of any work. `obey`: finishes it. `stall`: never continues. `die`: exits
 * with an error. `full`: aborts as ONNX Runtime does when memory runs out. `refuse`: throws an AppError.
 * `deaf`: stalls and also ignores cancellation, the closing of its channel and SIGTERM.
 */
export type FakeBehavior = 'obey' | 'stall' | 'die' | 'full' | 'refuse' | 'deaf';

export const certificate: Certificate = {
  version: 2,
  tokens: 8,
  nonFinite: 0,
  maxLogit: 1e-6,
  rmsLogit: 1,
  kl: 0,
  lossSource: 2,
  lossGrown: 2,
  agreement: 1,
  newTokenShare: 0,
  promise: 'function-preserving',
  verdict: 'passed',
  tolerance: 1e-4,
  vocab: { source: 512, grown: 512 },
  softmax: 'all-tokens',
  contextLength: 128,
  device: 'cpu',
  text: 'a text',
};
const cpu: Device = { id: 'cpu', name: 'Fake processor', available: true, memory: 8e9, free: 4e9 };
const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
const forever = (): Promise<never> => new Promise(() => undefined);

export interface FakeOptions {
  readonly behavior?: FakeBehavior;
  /** Ends the process of the engine. */
  readonly die: (exit: Exit) => void;
  /** Duration of one training step. */
  readonly stepMs?: number;
  /** Time between the last event of a run and the end of its generator. */
  readonly exitDelayMs?: number;
  /** The devices of the computer; by default only its processor. */
  readonly devices?: readonly Device[];
}

/** Rejects with `cancelled` as soon as the signal aborts, else settles as `work` does. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignalLike | undefined): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    const onAbort = (): void => {
      reject(createError('cancelled', { what: 'The work' }));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
  });
  return Promise.race([work, aborted]);
}

/** An implementation of the engine contract that computes nothing. */
export function fakeEngine({
  behavior = 'obey',
  die,
  stepMs = 1,
  exitDelayMs = 0,
  devices = [cpu],
}: FakeOptions): Engine {
  /** Called in the middle of any work: does what `behavior` says. */
  const behave = async (): Promise<void> => {
    if (behavior === 'stall' || behavior === 'deaf') await forever();
    if (behavior === 'die') {
      die({ code: 1, signal: null, lines: 'something broke\n' });
      await forever();
    }
    if (behavior === 'full') {
      die({
        code: 134,
        signal: 'SIGABRT',
        lines: 'bfc_arena.cc: Failed to allocate memory for requested buffer of size 17179869184\n',
      });
      await forever();
    }
    if (behavior === 'refuse') refuse('engine/no-device', { device: 'cuda', why: 'there is none' });
    await pause(stepMs);
  };
  return {
    devices: async () => {
      await behave();
      return devices;
    },
    countTokens: ({ data, atLeast }) => Promise.resolve(data.map(() => atLeast)),
    libraries: async () => {
      await behave();
      return [
        { name: 'libcuda.so.1', found: false, carrier: null },
        { name: 'libcudart.so.13', found: false, carrier: 'nvidia-cuda-runtime' },
      ];
    },
    measure: async () => {
      await behave();
      return {
        device: 'cpu',
        name: cpu.name,
        measured: {
          product: 1e11,
          slack: 10,
          stream: 1e10,
          functions: 1e9,
          nodeSeconds: 1e-6,
          time: '2026-11-21T12:00:00Z',
          threads: 2,
        },
      };
    },
    /** Ends the tuning with its first trial. */
    async *tune({ dir }, signal): AsyncGenerator<TuneEvent> {
      const tuning = await readTuning(dir);
      const next = nextTrial(tuning)!;
      yield { type: 'tuning', dir, tuning };
      await unlessAborted(behave(), signal);
      const trial: Trial = { ...next, rungs: [{ step: 1, loss: 2 }], end: 'finished', seconds: 1 };
      const done = { ...tuning, trials: [...tuning.trials, trial], isDone: true };
      await writeTuning(dir, done);
      yield { type: 'done', dir, tuning: done };
    },
    async *grow({ out, plan }, signal): AsyncGenerator<GrowEvent> {
      const folder = await createPartialFolder(out);
      const { tensors } = stagesFromRecord({ plan }).at(-1)!;
      try {
        for (const [i, t] of tensors.entries()) {
          await writeFile(join(folder.path, `${t.name}.bin`), 'x');
          yield {
            type: 'tensor',
            name: t.name,
            tensors: i + 1,
            ofTensors: tensors.length,
            bytes: i + 1,
            ofBytes: tensors.length,
            seconds: 0,
          };
          if (i === 1) await (behavior === 'deaf' ? behave() : unlessAborted(behave(), signal));
          if (signal?.aborted) refuse('cancelled', { what: 'The growth' });
        }
        yield { type: 'certifying' };
        for (let done = 4; done <= 8; done += 4)
          yield { type: 'certifying', what: 'comparing', done, of: 8, seconds: done };
        await writeFile(join(folder.path, 'config.json'), '{}');
        await folder.commit();
        yield { type: 'done', dir: out, seconds: 0.1, bytes: tensors.length, certificate, device: 'cpu' };
      } finally {
        await folder.abort();
      }
    },
    async *certify(_, signal): AsyncGenerator<CertifyEvent> {
      for (let done = 4; done <= 8; done += 4) {
        await unlessAborted(behave(), signal);
        yield { type: 'progress', what: 'comparing', done, of: 8, seconds: done };
      }
      yield { type: 'done', certificate };
    },
    async check({ text }, signal) {
      await unlessAborted(behave(), signal);
      return {
        verdict: 'plausible',
        why: 'its loss 2.00 is below 4.00, which the frequencies of the tokens alone would give',
        tokens: 8,
        loss: 2,
        entropy: 1.8,
        uniform: 6,
        unigram: 4,
        byPosition: null,
        nonFinite: 0,
        text: text ?? 'built-in English text',
        contextLength: 8,
        device: 'cpu',
      };
    },
    async logits({ models, out }, signal) {
      await unlessAborted(behave(), signal);
      const files = models.map((model, i) => ({ model, logits: join(out, `logits-${i}.safetensors`) }));
      return { text: 'built-in English text', tokens: 8, files };
    },
    train: ({ run }, signal) =>
      trainByCounting(
        run,
        // An engine that stalls still obeys a cancellation; any other finishes its step and saves.
        () => unlessAborted(behave(), behavior === 'stall' ? signal : undefined),
        signal,
        exitDelayMs,
      ),
    async windowLosses({ run, windows }, signal) {
      await unlessAborted(behave(), signal);
      return { losses: await countWindowLosses(run, windows), textHash: 'a text' };
    },
    async *sample({ prompt, tokens }, signal): AsyncGenerator<SampleEvent> {
      for (let i = 0; i < tokens; i++) {
        await unlessAborted(behave(), signal);
        yield { type: 'text', text: ` ${prompt}${i}` };
      }
      yield { type: 'done', tokens, seconds: 0.1, device: 'cpu' };
    },
    async *evaluate({ contextLength }, signal): AsyncGenerator<EvaluateEvent> {
      for (let i = 1; i <= 4; i++) {
        await unlessAborted(behave(), signal);
        yield { type: 'tokens', done: i, of: 4 };
      }
      yield {
        type: 'done',
        evaluation: {
          loss: 2,
          perplexity: Math.E ** 2,
          bitsPerByte: 1,
          tokens: 4,
          bytes: 12,
          contextLength: contextLength ?? 256,
          documents: 2,
          leftOut: { missing: 1, empty: 0 },
          device: 'cpu',
        },
      };
    },
    async *evaluateChoices(_, signal): AsyncGenerator<ChoicesEvent> {
      for (let i = 1; i <= 4; i++) {
        await unlessAborted(behave(), signal);
        yield { type: 'choices', done: i, of: 4 };
      }
      yield {
        type: 'done',
        answers: {
          questions: 4,
          accuracy: 0.5,
          error: 0.29,
          perByte: 0.25,
          perByteError: 0.25,
          device: 'cpu',
        },
      };
    },
    async *tokenizeText({ text, data }, signal): AsyncGenerator<TokenizeEvent> {
      await unlessAborted(behave(), signal);
      const file = data?.[0] ?? null;
      const document = { file, ids: [7, 8], tokens: [text ?? 'one', 'two'], appended: [0] };
      yield { type: 'document', document };
      yield { type: 'done', documents: 1, leftOut: { missing: 0, empty: 2 }, notes: [] };
    },
    async *previewText({ data, weights, limit }, signal): AsyncGenerator<PreviewEvent> {
      await unlessAborted(behave(), signal);
      yield { type: 'bytes', done: 1, of: 1 };
      const counts = { files: 1, documents: 2, tokens: 30, bytes: 120 };
      const leftOutFiles = [{ why: 'another format', names: ['README.md'] }];
      const items = data.map((path, i) => ({ path, ...counts, share: weights?.[i] ?? 1, leftOutFiles }));
      const first = { file: data[0]!, text: 'one two', ids: [7, 8], tokens: ['one', 'two'] };
      const preview: TextPreview = {
        ...counts,
        tokenizer: { type: 'BPE', vocabSize: 300 },
        leftOut: { missing: 1, empty: 0 },
        items,
        first,
        isPartial: limit !== undefined,
        notes: ['A note.'],
      };
      yield { type: 'done', preview };
    },
    async *export({ out }, signal): AsyncGenerator<ExportEvent> {
      const folder = await createPartialFolder(out);
      try {
        yield { type: 'tensor', name: 'w', tensors: 1, ofTensors: 1 };
        await unlessAborted(behave(), signal);
        await writeFile(join(folder.path, 'config.json'), '{}');
        await folder.commit();
        yield { type: 'done', dir: out, files: ['config.json'], bytes: 2, maxLogit: 0, device: 'cpu' };
      } finally {
        await folder.abort();
      }
    },
  };
}

/**
 * Losses that depend on the run alone: lowest at a learning rate of 1e-3, higher by 1 for random weights, and by 0.1
 * for each candidate of a bake-off before this one (its checkpoint is in a folder `N-…`).
 */
async function countWindowLosses(dir: string, windows: number): Promise<readonly number[]> {
  const { settings, checkpoint } = await readRun(dir);
  const candidate = Number.parseInt(basename(checkpoint), 10) || 0;
  const atRate = 2 + Math.abs(Math.log10(settings.lr / 1e-3));
  const mean = atRate + 0.1 * candidate + (settings.init === 'random' ? 1 : 0);
  return Array.from(
    { length: windows },
    (_, i) => mean + 0.3 * Math.sin(i) + 0.001 * Math.cos(i * candidate),
  );
}

/** Trains the run in `dir` by counting: its loss falls from 5 to 4, and it saves as its settings say. */
async function* trainByCounting(
  dir: string,
  behave: () => Promise<void>,
  signal: AbortSignalLike | undefined,
  exitDelayMs: number,
): AsyncGenerator<RunEvent> {
  const { settings } = await readRun(dir);
  const from = (await newestStep(dir))?.step ?? 0;
  const steps = stepsOf(settings);
  const session = await openSession(dir, { after: from });
  const emit = async (event: RunEvent): Promise<RunEvent> => {
    await session.append(event);
    return event;
  };
  let step = from;
  const save = async (): Promise<void> => {
    const saved = await saveStep(dir, step, async (temporary) => {
      await mkdir(join(temporary, 'model'));
    });
    await emit({ type: 'saved', step, dir: saved });
  };
  const time = (): string => new Date().toISOString();
  try {
    yield await emit({
      type: 'started',
      step,
      device: 'cpu',
      deviceName: 'Fake processor',
      parameters: 1000,
      steps,
      trainTokens: 1e6,
      heldOutTokens: 1e4,
      time: time(),
    });
    await session.setState('running');
    while (step < steps && !signal?.aborted && !session.isStopRequested()) {
      await behave();
      step++;
      yield await emit({
        type: 'step',
        step,
        loss: 5 - step / steps,
        lr: 1e-3,
        gradNorm: 1,
        tokens: step * tokensPerStep(settings),
        seconds: 0.001,
      });
      if (settings.saveEvery && step % settings.saveEvery === 0) await save();
    }
    await session.setState('pausing');
    await save();
    yield await emit({
      type: 'stopped',
      step,
      reason: step < steps ? 'requested' : 'finished',
      time: time(),
    });
  } catch (thrown) {
    const cancelled = thrown instanceof AppError && thrown.code === 'cancelled';
    yield await emit({
      type: 'stopped',
      step,
      reason: cancelled ? 'requested' : 'failed',
      ...(cancelled ? {} : { error: toErrorData(thrown) }),
      time: time(),
    });
  } finally {
    await pause(exitDelayMs);
    await session.close();
  }
}
