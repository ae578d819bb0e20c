/**
 * @file Engine processes: start one, talk to it, turn its death into an error that says what happened. One
 * process per job; its exit is what surely frees a device.
 */
import type { Channel } from '../base/channel.ts';
import { AppError, appError } from '../base/errors.ts';
import { queue } from '../base/queue.ts';
import { aborter, type AbortSignalLike } from '../base/signals.ts';
import { connect } from '../contract/connect.ts';
import { engine, type Engine } from '../contract/engine.ts';

/** How a process ended; `lines` are the last ones of its standard error. */
export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
  readonly lines: string;
}

export interface SpawnOptions {
  /** A file that its standard error is appended to. */
  readonly log?: string;
  /** Goes on when this process ends. */
  readonly detached?: boolean;
}

export interface EngineProcess extends Channel {
  kill(): void;
  readonly exited: Promise<Exit>;
}

/** What can start an engine: forked by Node, a utility process of Electron, a fake in tests. */
export interface Processes {
  spawn(options: SpawnOptions): Promise<EngineProcess>;
}

/** How long an engine may take to leave when its work is over, in milliseconds, before it is killed. */
const patience = 5000;
const after = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });

/**
 * An engine for one piece of work. It is gone when this settles; if it died in between, that is the error.
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
    // The channel closes a little before the exit is known; an engine that only lost its channel is as good
    // as dead.
    const exit = await Promise.race([process.exited, after(patience).then(() => undefined)]);
    throw exit ? deathOf(exit) : appError('engine/crashed', { how: 'it stopped answering', lines: '' });
  } finally {
    await leave(process);
  }
}

async function leave(process: EngineProcess): Promise<void> {
  process.close();
  const gone = await Promise.race([process.exited.then(() => true), after(patience).then(() => false)]);
  if (gone) return;
  process.kill();
  await process.exited;
}

/**
 * The events of one stream of an engine of its own. Leaving the loop, or the signal, ends the work and the
 * process.
 */
export function engineStream<T>(
  processes: Processes,
  ask: (engine: Engine, signal: AbortSignalLike) => AsyncIterable<T>,
  signal?: AbortSignalLike,
): AsyncIterable<T> {
  const inner = aborter();
  const items = queue<T>(inner.abort);
  if (signal?.aborted) inner.abort();
  signal?.addEventListener('abort', inner.abort, { once: true });
  void withEngine(processes, {}, async (e) => {
    for await (const item of ask(e, inner.signal)) items.push(item);
  }).then(items.end, items.fail);
  return items;
}

const outOfMemory =
  /heap out of memory|out of memory|failed to allocate|bad_?alloc|BFCArena|CUDA_ERROR_OUT_OF_MEMORY/i;

/** What the end of an engine means to a person. */
export function deathOf({ code, signal, lines }: Exit): AppError {
  const line = lines.split('\n').find((l) => outOfMemory.test(l));
  if (line !== undefined)
    return appError('engine/out-of-memory', { device: 'the engine', detail: line.trim() });
  if (signal === 'SIGKILL')
    return appError('engine/crashed', {
      how: 'killed by the system, which may have been short of memory',
      lines,
    });
  return appError('engine/crashed', {
    how: signal ? `signal ${signal}` : `exit code ${code ?? 'unknown'}`,
    lines,
  });
}

/** For a stream of an engine that ended without its last event. */
export const withoutAnswer = (): never => {
  throw appError('engine/crashed', { how: 'it ended without an answer', lines: '' });
};
