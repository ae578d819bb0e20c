/**
 * @file Starts engines as child processes of Node. Each has its own process group, so that Ctrl+C on a terminal
 * reaches only this process, which then asks the engines to stop.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { createError, refuse } from '../../base/errors.ts';
import { createChildChannel } from '../../base/transports.ts';
import {
  environmentOf,
  type EngineProcess,
  type Exit,
  type Processes,
  type SpawnOptions,
} from '../../service/engines.ts';
import { removeTokens } from '../../service/secrets.ts';

/** Characters of standard error that an error keeps. */
const tailLength = 4000;
/** Milliseconds to wait for the last output of an engine that has exited. */
const outputTimeout = 1000;

export interface ForkedProcesses extends Processes {
  killAll(): void;
}

/** Engines that run `script` with this version of Node. */
export function createForkedProcesses(script: string): ForkedProcesses {
  const alive = new Set<ChildProcess>();
  return {
    killAll() {
      for (const child of alive) child.kill('SIGKILL');
    },
    async spawn(options) {
      const { log, detached = false } = options;
      const logStart = log === undefined ? 0 : sizeOf(log);
      const child = forkEngine(script, options);
      const exited = waitForExit(child, (stderr) =>
        log === undefined ? stderr : readAppended(log, logStart),
      );
      await waitForSpawn(child);
      alive.add(child);
      void exited.then(() => {
        alive.delete(child);
      });
      // A detached engine must not keep this process alive.
      if (detached) child.unref();
      return {
        ...createChildChannel(child),
        terminate() {
          child.kill('SIGTERM');
        },
        kill() {
          child.kill('SIGKILL');
        },
        exited,
      } satisfies EngineProcess;
    },
  };
}

function forkEngine(script: string, options: SpawnOptions): ChildProcess {
  const { log, detached = false } = options;
  const file = log === undefined ? undefined : openSync(log, 'a');
  try {
    return fork(script, [], {
      serialization: 'advanced',
      execArgv: ['--disable-warning=ExperimentalWarning', ...inspectFlags(process.env)],
      detached: process.platform !== 'win32',
      env: {
        ...removeTokens(process.env),
        CAMBIUM_DETACHED: detached ? '1' : '',
        ...environmentOf(options),
      },
      stdio: ['ignore', 'ignore', file ?? 'pipe', 'ipc'],
    });
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/**
 * The flag for a debugger: `CAMBIUM_ENGINE_INSPECT` is the port on which the next engine listens, 0 for any that is
 * free. Throws `usage`.
 */
export function inspectFlags({ CAMBIUM_ENGINE_INSPECT: port }: NodeJS.ProcessEnv): readonly string[] {
  if (port === undefined || port === '') return [];
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)
    return refuse('usage', { why: `CAMBIUM_ENGINE_INSPECT is "${port}", which is not a port` });
  return [`--inspect=127.0.0.1:${port}`];
}

/** Rejects if the child cannot be started. */
async function waitForSpawn(child: ChildProcess): Promise<void> {
  const failed = new Promise<never>((_, reject) => {
    child.once('error', (error) => {
      reject(createError('engine/crashed', { how: `it cannot be started: ${error.message}`, lines: '' }));
    });
  });
  failed.catch(() => undefined);
  await Promise.race([once(child, 'spawn'), failed]);
}

/** Resolves with the exit of a child. `getLines` gets the end of its standard error if that is a pipe. */
function waitForExit(child: ChildProcess, getLines: (stderr: string) => string): Promise<Exit> {
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-tailLength);
  });
  const outputEnded = child.stderr ? once(child.stderr, 'close') : Promise.resolve();
  return new Promise<Exit>((resolve) => {
    // The last output may arrive after the exit. (`close` is not emitted once the channel is disconnected.)
    child.once('exit', (code, signal) => {
      void Promise.race([outputEnded, wait(outputTimeout)]).then(() => {
        resolve({ code, signal, lines: getLines(stderr) });
      });
    });
    child.once('error', (error) => {
      resolve({ code: null, signal: null, lines: error.message });
    });
  });
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/** The end of what was appended to a file after `start`. */
function readAppended(path: string, start: number): string {
  try {
    return readFileSync(path).subarray(start).toString('utf8').slice(-tailLength);
  } catch {
    return '';
  }
}
