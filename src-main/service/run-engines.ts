/** @file The engines that train runs in this process. */
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { toErrorData } from '../base/errors.ts';
import { createAborter, type AbortSignalLike } from '../base/signals.ts';
import { activeStates } from '../contract/activity.ts';
import type { StoredHubToken } from '../contract/engine.ts';
import { closeRun, isStopNowRequested, requestStop, summarizeRun } from '../store/run/runs.ts';
import type { StoppedEvent } from '../train/run.ts';
import { addAdvice } from './advice.ts';
import { endTrainer } from './end-trainer.ts';
import { withEngine, type Processes } from './engines.ts';

export interface RunEngines {
  /** Trains the run in `dir` in the background, once `claimed` has resolved. */
  launch(dir: string, claimed: Promise<void>): void;
  /** True while the run has an engine of this process. */
  has(dir: string): boolean;
  /** True if the run has written its last event, and its engine only has to exit. */
  isExiting(dir: string): boolean;
  /**
   * Ends the engine of a run although it does not answer: cancels its work, then terminates it, then kills it. An
   * engine that another program of this computer started is terminated, then killed. The stop must have been requested
   * with `now`. Throws `run/elsewhere` and `run/not-ended`.
   */
  endNow(dir: string): Promise<void>;
  /** Resolves when the run has no engine in any process. */
  waitUntilStopped(dir: string): Promise<void>;
  /** The runs with an engine of this process. */
  running(): readonly string[];
  /** Stops and saves every run of this process. */
  stopAll(): Promise<void>;
}

interface RunEngine {
  readonly ended: Promise<void>;
  endNow(): void;
}

/** Milliseconds between two looks at the state of a run: the first, and the longest. */
const firstPoll = 20;
const longestPoll = 1000;

/** `takeGpu` chooses the GPU of a run that starts. `detached` engines keep running when this process ends. */
export function createRunEngines(
  processes: Processes,
  detached: boolean,
  takeGpu: (dir: string) => Promise<string | undefined> = () => Promise.resolve(undefined),
  findHubToken: () => Promise<StoredHubToken | null> = () => Promise.resolve(null),
): RunEngines {
  const engines = new Map<string, RunEngine>();
  const exiting = new Set<string>();

  /** Trains until the run stops, or until `signal` aborts. */
  const train = async (dir: string, signal: AbortSignalLike): Promise<void> => {
    // Devices that cannot be listed are no reason not to train: the engine says what is wrong with its own.
    const gpu = await takeGpu(dir).catch(() => undefined);
    const options = { log: join(dir, 'log.txt'), detached, gpu };
    await withEngine(processes, options, async (engine) => {
      const hubToken = await findHubToken();
      for await (const event of engine.train({ run: dir, ...(hubToken ? { hubToken } : {}) }, signal))
        if (event.type === 'stopped') exiting.add(dir);
    });
  };

  /** Writes the last event of a run whose engine was ended or died, so that followers end. */
  const close = async (dir: string, end: Pick<StoppedEvent, 'reason' | 'error'>): Promise<void> => {
    const { step } = await summarizeRun(dir);
    if (engines.has(dir)) exiting.add(dir);
    await closeRun(dir, { type: 'stopped', step, ...end, time: new Date().toISOString() });
  };
  const closeFailed = async (dir: string, thrown: unknown): Promise<void> => {
    await close(dir, { reason: 'failed', error: await addAdvice(dir, toErrorData(thrown)) });
  };

  return {
    launch(dir, claimed) {
      const { signal, abort } = createAborter();
      const ended = claimed
        .then(() =>
          train(dir, signal).catch(async (thrown: unknown) =>
            signal.aborted || (await isStopNowRequested(dir))
              ? close(dir, { reason: 'requested' })
              : closeFailed(dir, thrown),
          ),
        )
        // If the event cannot be written, the state of the run becomes `interrupted`.
        .catch(() => undefined)
        .finally(() => {
          engines.delete(dir);
          exiting.delete(dir);
        });
      engines.set(dir, { ended, endNow: abort });
    },
    has: (dir) => engines.has(dir),
    isExiting: (dir) => exiting.has(dir),
    async endNow(dir) {
      const own = engines.get(dir);
      if (own) {
        own.endNow();
        return;
      }
      await endTrainer(dir);
      // The program that started the engine writes this too, if it still runs.
      await close(dir, { reason: 'requested' });
    },
    async waitUntilStopped(dir) {
      await engines.get(dir)?.ended;
      let poll = firstPoll;
      while (activeStates.includes((await summarizeRun(dir)).state)) {
        await wait(poll);
        poll = Math.min(longestPoll, poll * 1.5);
      }
    },
    running: () => [...engines.keys()],
    async stopAll() {
      await Promise.all(
        [...engines].map(async ([dir, { ended }]) => {
          // One that has written its last event needs no request, and nobody would remove it.
          if (!exiting.has(dir)) await requestStop(dir).catch(() => undefined);
          await ended;
        }),
      );
    },
  };
}
