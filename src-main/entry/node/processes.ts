/**
 * @file Starts engines as child processes of Node. Each has its own process group, so that Ctrl+C in a
 * terminal reaches this process alone, which then asks.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { appError } from '../../base/errors.ts';
import { childChannel } from '../../base/transports.ts';
import type { EngineProcess, Exit, Processes } from '../../service/engines.ts';
import { withoutTokens } from '../../service/secrets.ts';

/** How much of its standard error an error carries, in characters. */
export const kept = 4000;

/** Engines from `script`, run by this very Node. */
export function forkProcesses(script: string): Processes & { killAll(): void } {
  const alive = new Set<ChildProcess>();
  return {
    killAll() {
      for (const child of alive) child.kill('SIGKILL');
    },
    async spawn({ log, detached = false }) {
      const file = log === undefined ? undefined : openSync(log, 'a');
      const from = log === undefined ? 0 : statSync(log).size;
      let child: ChildProcess;
      try {
        child = fork(script, [], {
          serialization: 'advanced',
          execArgv: ['--disable-warning=ExperimentalWarning'],
          detached: process.platform !== 'win32',
          env: { ...withoutTokens(process.env), CAMBIUM_DETACHED: detached ? '1' : '' },
          stdio: ['ignore', 'ignore', file ?? 'pipe', 'ipc'],
        });
      } finally {
        if (file !== undefined) closeSync(file);
      }
      let lines = '';
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        lines = (lines + text).slice(-kept);
      });
      const ended = child.stderr ? once(child.stderr, 'close') : Promise.resolve();
      const exited = new Promise<Exit>((resolve) => {
        // Its last words may come after its exit. (`close` never comes to a parent that has disconnected.)
        child.once('exit', (code, signal) => {
          void Promise.race([ended, after(1000)]).then(() => {
            resolve({ code, signal, lines: log === undefined ? lines : tail(log, from) });
          });
        });
        child.once('error', (error) => {
          resolve({ code: null, signal: null, lines: error.message });
        });
      });
      const failed = new Promise<never>((_, reject) => {
        child.once('error', (error) => {
          reject(appError('engine/crashed', { how: `it cannot be started: ${error.message}`, lines: '' }));
        });
      });
      failed.catch(() => undefined);
      await Promise.race([once(child, 'spawn'), failed]);
      alive.add(child);
      void exited.then(() => {
        alive.delete(child);
      });
      // With a log of its own and nobody to wait for it, it must not hold this process.
      if (detached) child.unref();
      const channel = childChannel(child);
      return {
        ...channel,
        kill() {
          child.kill('SIGKILL');
        },
        exited,
      } satisfies EngineProcess;
    },
  };
}

const after = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** What was appended to `path` after `from`, its end. */
function tail(path: string, from: number): string {
  try {
    return readFileSync(path).subarray(from).toString('utf8').slice(-kept);
  } catch {
    return '';
  }
}
