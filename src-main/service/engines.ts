/**
 * @file Engine processes: starts one, connects to it, and turns its exit into an error. There is one process per
 * job, because only the end of a process reliably frees the memory of a device.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Channel } from '../base/channel.ts';
import { AppError, createError } from '../base/errors.ts';
import { createQueue } from '../base/queue.ts';
import { createAborter, type AbortSignalLike } from '../base/signals.ts';
import { connect } from '../contract/connect.ts';
import { engine, type Engine } from '../contract/engine.ts';

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
  /** The last lines of its standard error. */
  readonly lines: string;
}

export interface SpawnOptions {
  /** A file to which its standard error is appended. */
  readonly log?: string;
  /** True if it keeps running when this process ends. */
  readonly detached?: boolean;
  /** The only GPU that CUDA sees: an index or a UUID, as in CUDA_VISIBLE_DEVICES. Absent: those of this process. */
  readonly gpu?: string | undefined;
}

/** The environment variables of an engine with these options. */
export const environmentOf = ({ gpu }: SpawnOptions): Readonly<Record<string, string>> =>
  gpu === undefined ? {} : { CUDA_VISIBLE_DEVICES: gpu };

export interface EngineProcess extends Channel {
  /** `terminate` asks the system to end the process, `kill` leaves it no choice. */
  terminate(): void;
  kill(): void;
  readonly exited: Promise<Exit>;
}

/** Starts engines: as child processes of Node, as utility processes of Electron, or in memory in tests. */
export interface Processes {
  spawn(options: SpawnOptions): Promise<EngineProcess>;
}

/** Milliseconds for an engine to exit after its work, before it is terminated; and after that, before it is killed. */
const exitTimeout = 5000;
const terminationTimeout = 1000;

const wait = (ms: number): Promise<void> => delay(ms, undefined, { ref: false });

/**
 * Starts an engine, runs `work` with it, and returns the result once the engine has exited. If the engine dies
 * during the work, throws the error of its exit.
 */
export async function withEngine<T>(
  processes: Processes,
  options: SpawnOptions,
  work: (engine: Engine) => Promise<T>,
): Promise<T> {
  const process = await processes.spawn(options);
  try {
    return await work(connect(engine, process));
  } catch (thrown) {
    if (!(thrown instanceof AppError) || thrown.code !== 'rpc/closed') throw thrown;
    // The channel closes shortly before the exit is reported.
    const exit = await Promise.race([process.exited, wait(exitTimeout).then(() => undefined)]);
    throw exit ? exitError(exit) : createError('engine/crashed', { how: 'it stopped answering', lines: '' });
  } finally {
    await endProcess(process);
  }
}

/** Ends a process: cancels its work, then terminates it, then kills it. */
async function endProcess(process: EngineProcess): Promise<void> {
  const exitsWithin = (ms: number): Promise<boolean> =>
    Promise.race([process.exited.then(() => true), wait(ms).then(() => false)]);
  process.close();
  if (await exitsWithin(exitTimeout)) return;
  process.terminate();
  if (await exitsWithin(terminationTimeout)) return;
  process.kill();
  await process.exited;
}

/** Engines that stream at once. Each may fill the memory of a device, and a person may press a button often. */
const maxStreams = 4;

interface Slots {
  used: number;
  readonly waiting: (() => void)[];
}
const slotsOf = new WeakMap<Processes, Slots>();

/** Waits until fewer than `maxStreams` engines stream, and runs `work`. Throws `cancelled` if it is aborted before. */
async function inSlot(
  processes: Processes,
  signal: AbortSignalLike,
  work: () => Promise<void>,
): Promise<void> {
  const slots = slotsOf.get(processes) ?? { used: 0, waiting: [] };
  slotsOf.set(processes, slots);
  if (slots.used < maxStreams) slots.used++;
  else await waitForSlot(slots, signal);
  try {
    await work();
  } finally {
    // The slot goes to the one that has waited longest.
    const next = slots.waiting.shift();
    if (next) next();
    else slots.used--;
  }
}

function waitForSlot({ waiting }: Slots, signal: AbortSignalLike): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      waiting.splice(waiting.indexOf(take), 1);
      reject(createError('cancelled', { what: 'waiting for an engine' }));
    };
    const take = (): void => {
      signal.removeEventListener('abort', abort);
      resolve();
    };
    if (signal.aborted) {
      reject(createError('cancelled', { what: 'waiting for an engine' }));
      return;
    }
    waiting.push(take);
    signal.addEventListener('abort', abort, { once: true });
  });
}

/**
 * Starts an engine and streams the events of one of its procedures. Leaving the loop, or aborting the signal,
 * cancels the procedure and ends the process. While several engines stream, it waits for its turn.
 */
export function engineStream<T>(
  processes: Processes,
  start: (engine: Engine, signal: AbortSignalLike) => AsyncIterable<T>,
  signal?: AbortSignalLike,
): AsyncIterable<T> {
  const aborter = createAborter();
  const items = createQueue<T>(aborter.abort);
  if (signal?.aborted) aborter.abort();
  signal?.addEventListener('abort', aborter.abort, { once: true });
  const run = inSlot(processes, aborter.signal, () =>
    withEngine(processes, {}, async (connected) => {
      for await (const item of start(connected, aborter.signal)) items.push(item);
    }),
  );
  void run.then(items.end, items.fail);
  return items;
}

const outOfMemory =
  /heap out of memory|out of memory|failed to allocate|bad_?alloc|BFCArena|CUDA_ERROR_OUT_OF_MEMORY/i;

/** The error of an engine that exited during its work. */
export function exitError({ code, signal, lines }: Exit): AppError {
  const line = lines.split('\n').find((l) => outOfMemory.test(l));
  if (line !== undefined)
    return createError('engine/out-of-memory', { device: 'the engine', detail: line.trim() });
  return createError('engine/crashed', { how: describeExit(code, signal), lines });
}

function describeExit(code: number | null, signal: string | null): string {
  if (signal === 'SIGKILL') return 'killed by the system, which may have been short of memory';
  return signal ? `signal ${signal}` : `exit code ${code ?? 'unknown'}`;
}

/** Throws the error of a stream that ended without its last event. */
export const throwNoResult = (): never => {
  throw createError('engine/crashed', { how: 'it ended without a result', lines: '' });
};
