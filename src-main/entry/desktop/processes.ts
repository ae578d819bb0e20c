/** @file Starts engines as utility processes of Electron. They end with the app. */
import { appendFileSync } from 'node:fs';
import { constants } from 'node:os';
import { utilityProcess } from 'electron';
import { createUtilityChannel } from '../../base/transports.ts';
import { environmentOf, type EngineProcess, type Exit, type Processes } from '../../service/engines.ts';
import { removeTokens } from '../../service/secrets.ts';

/** Characters of standard error that an error keeps. */
const tailLength = 4000;

export function createUtilityProcesses(script: string): Processes {
  return {
    async spawn(options) {
      const { log } = options;
      const child = utilityProcess.fork(script, [], {
        stdio: ['ignore', 'ignore', 'pipe'],
        serviceName: 'Cambium engine',
        env: { ...(removeTokens(process.env) as Record<string, string>), ...environmentOf(options) },
      });
      let lines = '';
      child.stderr?.on('data', (bytes: Buffer) => {
        const text = bytes.toString('utf8');
        lines = (lines + text).slice(-tailLength);
        if (log !== undefined) appendToLog(log, text);
      });
      const exited = new Promise<Exit>((resolve) => {
        child.once('exit', (code) => {
          resolve({ ...parseExitCode(code), lines });
        });
      });
      const spawned = new Promise<void>((resolve) => {
        child.once('spawn', () => {
          resolve();
        });
      });
      await Promise.race([spawned, exited]);
      return {
        ...createUtilityChannel(child),
        terminate() {
          child.kill();
        },
        kill() {
          kill(child.pid);
        },
        exited,
      } satisfies EngineProcess;
    },
  };
}

/** Ignores errors such as a full disk; the last lines are also kept in memory. */
function appendToLog(log: string, text: string): void {
  try {
    appendFileSync(log, text);
  } catch {
    // The log is optional.
  }
}

/** Kills a process; `kill` of Electron only asks it to end. A process that has ended has no pid. */
function kill(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has already ended.
  }
}

/** Signals that end an engine. No exit code of an engine has the number of one. */
const fatalSignals = ['SIGKILL', 'SIGABRT', 'SIGSEGV', 'SIGBUS', 'SIGTERM'] as const;

/**
 * The exit code and signal of a utility process. Electron reports the status of waitpid: the number of the
 * signal, plus 128 if core was dumped. Windows has no signals.
 */
export function parseExitCode(
  code: number,
  platform: NodeJS.Platform = process.platform,
): Pick<Exit, 'code' | 'signal'> {
  if (platform === 'win32') return { code, signal: null };
  const signal = fatalSignals.find((name) => [0, 128].includes(code - constants.signals[name]));
  return signal === undefined ? { code, signal: null } : { code: null, signal };
}
