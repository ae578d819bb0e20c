/**
 * @file An engine that obeys, stalls or dies on request, without ONNX Runtime: in memory here, and in a
 * process of its own through `fake-engine-child.ts`. It trains by counting, in a real run folder.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { channelPair } from '../../src-main/base/channel.ts';
import { AppError, dataOf, refuse } from '../../src-main/base/errors.ts';
import type { AbortSignalLike } from '../../src-main/base/signals.ts';
import { engine, type Engine } from '../../src-main/contract/engine.ts';
import type {
  Certificate,
  ChoicesEvent,
  Device,
  EvaluateEvent,
  ExportEvent,
  GrowEvent,
  RunEvent,
  SampleEvent,
} from '../../src-main/contract/schema.ts';
import { serve } from '../../src-main/contract/serve.ts';
import type { EngineProcess, Exit, Processes, SpawnOptions } from '../../src-main/service/engines.ts';
import { stagesOf } from '../../src-main/growth/plan/saved-plan.ts';
import { beginFolder } from '../../src-main/store/fs/folder.ts';
import { newestStep, openSession, readRun, saveStep } from '../../src-main/store/run/runs.ts';
import { stepsOf, tokensPerStep } from '../../src-main/train/schedule.ts';

/**
 * `stall`: begins and never goes on. `die`: exits in the middle. `full`: as if memory ran out. `refuse`: a
 * proper error.
 */
export type Mood = 'obey' | 'stall' | 'die' | 'full' | 'refuse' | 'deaf';

export const certificate: Certificate = {
  tokens: 8,
  maxLogit: 1e-6,
  rmsLogit: 1,
  kl: 0,
  lossSource: 2,
  lossGrown: 2,
  agreement: 1,
  promise: 'exact',
  tolerance: 1e-4,
  passed: true,
  device: 'cpu',
  text: "the source's own text",
};
const cpu: Device = { id: 'cpu', name: 'Fake processor', available: true, memory: 8e9, free: 4e9 };
const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
const forever = (): Promise<never> => new Promise(() => undefined);

export interface FakeOptions {
  readonly mood?: Mood;
  /** How the process ends when it dies. */
  readonly die: (exit: Exit) => void;
  /** Milliseconds of one step. */
  readonly pace?: number;
  /** Milliseconds that a run's engine stays after it has told its end. */
  readonly leave?: number;
}

/** The contract, obeyed by counting. */
export function fakeEngine({ mood = 'obey', die, pace = 1, leave = 0 }: FakeOptions): Engine {
  /** In the middle of any work: what this engine's mood makes of it. */
  const turn = async (): Promise<void> => {
    if (mood === 'stall' || mood === 'deaf') await forever();
    if (mood === 'die') {
      die({ code: 1, signal: null, lines: 'something broke\n' });
      await forever();
    }
    if (mood === 'full') {
      die({
        code: 134,
        signal: 'SIGABRT',
        lines: 'bfc_arena.cc: Failed to allocate memory for requested buffer of size 17179869184\n',
      });
      await forever();
    }
    if (mood === 'refuse') refuse('engine/no-device', { device: 'cuda', why: 'there is none' });
    await pause(pace);
  };
  const orAborted = async <T>(work: Promise<T>, signal: AbortSignalLike | undefined): Promise<T> =>
    Promise.race([
      work,
      new Promise<never>((_, reject) => {
        signal?.addEventListener(
          'abort',
          () => {
            try {
              refuse('cancelled', { what: 'The work' });
            } catch (e) {
              reject(e as Error);
            }
          },
          { once: true },
        );
      }),
    ]);
  return {
    devices: async () => {
      await turn();
      return [cpu];
    },
    libraries: async () => {
      await turn();
      return [
        { name: 'libcuda.so.1', found: false, carrier: null },
        { name: 'libcudart.so.13', found: false, carrier: 'nvidia-cuda-runtime' },
      ];
    },
    measure: async () => {
      await turn();
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
    async *grow({ out, plan }, signal): AsyncGenerator<GrowEvent> {
      const folder = await beginFolder(out);
      const { tensors } = stagesOf({ plan }).at(-1)!;
      try {
        for (const [i, t] of tensors.entries()) {
          await writeFile(join(folder.path, `${t.name}.bin`), 'x');
          yield {
            at: 'tensor',
            name: t.name,
            tensors: i + 1,
            ofTensors: tensors.length,
            bytes: i + 1,
            ofBytes: tensors.length,
            seconds: 0,
          };
          if (i === 1) await (mood === 'deaf' ? turn() : orAborted(turn(), signal));
          if (signal?.aborted) refuse('cancelled', { what: 'The growth' });
        }
        yield { at: 'certifying' };
        await writeFile(join(folder.path, 'config.json'), '{}');
        await folder.commit();
        yield { at: 'done', dir: out, seconds: 0.1, bytes: tensors.length, certificate, device: 'cpu' };
      } finally {
        await folder.abort();
      }
    },
    certify: async (_, signal) => {
      await orAborted(turn(), signal);
      return certificate;
    },
    train: ({ run }, signal) =>
      training(run, () => orAborted(turn(), mood === 'stall' ? signal : undefined), signal, leave),
    async *sample({ prompt, tokens }, signal): AsyncGenerator<SampleEvent> {
      for (let i = 0; i < tokens; i++) {
        await orAborted(turn(), signal);
        yield { at: 'text', text: ` ${prompt}${i}` };
      }
      yield { at: 'done', tokens, seconds: 0.1, device: 'cpu' };
    },
    async *evaluate(_, signal): AsyncGenerator<EvaluateEvent> {
      for (let i = 1; i <= 4; i++) {
        await orAborted(turn(), signal);
        yield { at: 'tokens', done: i, of: 4 };
      }
      yield {
        at: 'done',
        evaluation: { loss: 2, perplexity: Math.E ** 2, bitsPerByte: 1, tokens: 4, bytes: 12, device: 'cpu' },
      };
    },
    async *choices(_, signal): AsyncGenerator<ChoicesEvent> {
      for (let i = 1; i <= 4; i++) {
        await orAborted(turn(), signal);
        yield { at: 'choices', done: i, of: 4 };
      }
      yield {
        at: 'done',
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
    async *export({ out }, signal): AsyncGenerator<ExportEvent> {
      const folder = await beginFolder(out);
      try {
        yield { at: 'tensor', name: 'w', tensors: 1, ofTensors: 1 };
        await orAborted(turn(), signal);
        await writeFile(join(folder.path, 'config.json'), '{}');
        await folder.commit();
        yield { at: 'done', dir: out, files: ['config.json'], bytes: 2, maxLogit: 0, device: 'cpu' };
      } finally {
        await folder.abort();
      }
    },
  };
}

async function* training(
  dir: string,
  turn: () => Promise<void>,
  signal: AbortSignalLike | undefined,
  leave: number,
): AsyncGenerator<RunEvent> {
  const { settings } = await readRun(dir);
  const from = (await newestStep(dir))?.step ?? 0;
  const steps = stepsOf(settings);
  const session = await openSession(dir, { after: from });
  const tell = async (event: RunEvent): Promise<RunEvent> => {
    await session.append(event);
    return event;
  };
  let step = from;
  const save = async (): Promise<void> => {
    const at = await saveStep(dir, step, async (temporary) => {
      await mkdir(join(temporary, 'model'));
    });
    await tell({ at: 'saved', step, dir: at });
  };
  const time = (): string => new Date().toISOString();
  try {
    yield await tell({
      at: 'started',
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
    while (step < steps && !signal?.aborted && !session.stopAsked()) {
      await turn();
      step++;
      yield await tell({
        at: 'step',
        step,
        loss: 5 - step / steps,
        lr: 1e-3,
        norm: 1,
        tokens: step * tokensPerStep(settings),
        seconds: 0.001,
      });
      if (settings.saveEvery && step % settings.saveEvery === 0) await save();
    }
    await session.setState('pausing');
    await save();
    yield await tell({ at: 'stopped', step, reason: step < steps ? 'asked' : 'finished', time: time() });
  } catch (thrown) {
    const asked = thrown instanceof AppError && thrown.code === 'cancelled';
    yield await tell({
      at: 'stopped',
      step,
      reason: asked ? 'asked' : 'failed',
      ...(asked ? {} : { error: dataOf(thrown) }),
      time: time(),
    });
  } finally {
    await pause(leave);
    await session.close();
  }
}

export interface FakeProcesses extends Processes {
  /** Every engine asked for, and which of them are gone. */
  readonly spawned: readonly { readonly options: SpawnOptions; gone: boolean; killed: boolean }[];
}

/** Engines in memory. One that stalls or is deaf leaves only when it is killed. */
export function fakeProcesses({
  mood = () => 'obey',
  pace = 1,
  leave = 0,
}: { readonly mood?: () => Mood; readonly pace?: number; readonly leave?: number } = {}): FakeProcesses {
  const spawned: { options: SpawnOptions; gone: boolean; killed: boolean }[] = [];
  return {
    spawned,
    spawn(options) {
      const [near, far] = channelPair();
      const record = { options, gone: false, killed: false };
      const now = mood();
      spawned.push(record);
      let exit!: (exit: Exit) => void;
      const exited = new Promise<Exit>((resolve) => {
        exit = (e) => {
          record.gone = true;
          far.close();
          resolve(e);
        };
      });
      const serving = serve(engine, fakeEngine({ mood: now, die: exit, pace, leave }), far);
      far.onClose(() => {
        if (now === 'deaf') return;
        const wait = setInterval(() => {
          if (serving.pending() === 0) {
            clearInterval(wait);
            exit({ code: 0, signal: null, lines: '' });
          }
        }, 2);
      });
      const process: EngineProcess = {
        ...near,
        kill() {
          record.killed = true;
          exit({ code: null, signal: 'SIGKILL', lines: '' });
        },
        exited,
      };
      return Promise.resolve(process);
    },
  };
}
