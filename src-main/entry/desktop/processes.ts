/**
 * @file Starts engines as Electron's utility processes: the same script, another host. They end with the app.
 */
import { appendFileSync } from 'node:fs';
import { constants } from 'node:os';
import { utilityProcess } from 'electron';
import { utilityChannel } from '../../base/transports.ts';
import type { EngineProcess, Exit, Processes } from '../../service/engines.ts';
import { withoutTokens } from '../../service/secrets.ts';

/** How much of its standard error an error carries, in characters. */
const kept = 4000;

export function utilityProcesses(script: string): Processes {
  return {
    async spawn({ log }) {
      const child = utilityProcess.fork(script, [], {
        stdio: ['ignore', 'ignore', 'pipe'],
        serviceName: 'Cambium engine',
        env: withoutTokens(process.env) as Record<string, string>,
      });
      let lines = '';
      child.stderr?.on('data', (bytes: Buffer) => {
        const text = bytes.toString('utf8');
        lines = (lines + text).slice(-kept);
        if (log !== undefined) append(log, text);
      });
      const exited = new Promise<Exit>((resolve) => {
        child.once('exit', (code) => {
          resolve({ ...endOf(code), lines });
        });
      });
      await Promise.race([
        new Promise<void>((resolve) => {
          child.once('spawn', () => {
            resolve();
          });
        }),
        exited,
      ]);
      return {
        ...utilityChannel(child),
        kill() {
          force(child.pid);
        },
        exited,
      } satisfies EngineProcess;
    },
  };
}

/** A full disk, or a folder that has gone, costs the log its line and the app nothing. */
function append(log: string, text: string): void {
  try {
    appendFileSync(log, text);
  } catch {
    /* an error carries the last lines all the same */
  }
}

/**
 * Ends a process that may not hear: the utility process's own `kill` only asks. It has no number once it has
 * ended.
 */
function force(pid: number | undefined): void {
  if (pid !== undefined)
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      /* it went by itself */
    }
}

/** Signals that end an engine. Its own exit codes are none of their numbers. */
const fatal = ['SIGKILL', 'SIGABRT', 'SIGSEGV', 'SIGBUS', 'SIGTERM'] as const;

/**
 * Electron tells a death by signal as waitpid does: the signal's number, 128 more where a core was dumped.
 * Windows has none.
 */
export function endOf(
  code: number,
  platform: NodeJS.Platform = process.platform,
): Pick<Exit, 'code' | 'signal'> {
  const signal =
    platform === 'win32'
      ? undefined
      : fatal.find((name) => [0, 128].includes(code - constants.signals[name]));
  return signal === undefined ? { code, signal: null } : { code: null, signal };
}
