/** @file Starts programs, and ends them with everything that they started. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { splitLines } from '../base/lines.ts';

export interface CommandOptions {
  readonly cwd?: string;
  readonly environment?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
}

/** How a program ended; `code` is null if it could not be started or was ended by a signal. */
export interface CommandResult {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
  /** True if there is no such program. */
  readonly isMissing: boolean;
}

/** Characters of the output and of the errors that are kept: the last ones. */
const keptCharacters = 1 << 20;

/** Runs a program to its end. `onLine` gets every line of its output and of its errors. */
export async function runCommand(
  [command, ...args]: readonly [string, ...string[]],
  options: CommandOptions = {},
  onLine: (line: string) => void = () => undefined,
): Promise<CommandResult> {
  const { cwd, environment = process.env, signal } = options;
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment,
    ...(cwd === undefined ? {} : { cwd }),
    ...(signal ? { signal } : {}),
  });
  const texts = { output: '', errors: '' };
  for (const [name, stream] of [
    ['output', child.stdout],
    ['errors', child.stderr],
  ] as const) {
    const lines = splitLines(onLine);
    stream.setEncoding('utf8').on('data', (text: string) => {
      texts[name] = (texts[name] + text).slice(-keptCharacters);
      lines.push(text);
    });
    stream.on('end', lines.end);
  }
  return new Promise((resolve) => {
    child.on('error', (error: NodeJS.ErrnoException) => {
      resolve({ code: null, ...texts, isMissing: error.code === 'ENOENT' });
    });
    child.on('close', (code) => {
      resolve({ code, ...texts, isMissing: false });
    });
  });
}

export interface RunningCommand {
  readonly pid: number;
  /** The exit code, or null after a signal. Rejects if the program cannot be started. */
  readonly exited: Promise<number | null>;
  /** Ends the program and everything that it started. */
  kill(): void;
}

/** Starts a program that is the first of its process group. Its output is appended to `log`. */
export function startCommand(
  [command, ...args]: readonly [string, ...string[]],
  { cwd, environment, log }: Omit<CommandOptions, 'signal'> & { readonly log: string },
): RunningCommand {
  const file = openSync(log, 'a');
  try {
    const child = spawn(command, args, {
      stdio: ['ignore', file, file],
      env: environment ?? process.env,
      detached: process.platform !== 'win32',
      ...(cwd === undefined ? {} : { cwd }),
    });
    const exited = new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', resolve);
    });
    // It is awaited later than a failure to start is reported.
    exited.catch(() => undefined);
    const { pid = 0 } = child;
    return { pid, exited, kill: () => killGroup(pid) };
  } finally {
    closeSync(file);
  }
}

/** Ends a process group with SIGKILL; on Windows the process alone. */
export function killGroup(pid: number): void {
  if (pid <= 0) return;
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
