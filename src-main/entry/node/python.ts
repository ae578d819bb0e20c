/** @file Finds a Python, and runs a script of Cambium with it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { anyJson, parseJson } from '../../base/json.ts';
import { refuse } from '../../base/errors.ts';

export interface PythonOptions {
  /** The Python to use, from --python. */
  readonly python?: string | undefined;
  readonly environment?: NodeJS.ProcessEnv;
  readonly timeoutMinutes: number;
  readonly signal: AbortSignal;
}

/** The commands that are tried, in order; only one if the user chose it. */
export function listPythons(
  chosen: string | undefined,
  environment: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): readonly string[] {
  const { CAMBIUM_PYTHON: configured, VIRTUAL_ENV: venv } = environment;
  const only = chosen ?? configured;
  if (only !== undefined && only !== '') return [only];
  const isWindows = platform === 'win32';
  const inVenv = isWindows ? ['Scripts', 'python.exe'] : ['bin', 'python'];
  const active = venv === undefined || venv === '' ? [] : [join(venv, ...inVenv)];
  return [...active, ...(isWindows ? ['python', 'py'] : ['python3', 'python'])];
}

/**
 * Runs a script with the first Python that exists, writes `input` to it as JSON, and returns the last line of its
 * standard output as JSON. Throws `python/not-found`, `python/timeout`, `python/failed`, `cancelled`.
 */
export async function runPython(
  script: string,
  input: unknown,
  { python, environment = process.env, timeoutMinutes, signal }: PythonOptions,
): Promise<{ readonly python: string; readonly answer: unknown }> {
  const tried = listPythons(python, environment);
  for (const command of tried) {
    const answer = await runWith(command, script, input, { environment, timeoutMinutes, signal });
    if (answer !== undefined) return { python: command, answer };
  }
  return refuse('python/not-found', { tried });
}

/** The answer of the script; undefined if there is no such Python. */
async function runWith(
  command: string,
  script: string,
  input: unknown,
  { environment = process.env, timeoutMinutes, signal }: Omit<PythonOptions, 'python'>,
): Promise<unknown> {
  const timeout = AbortSignal.timeout(timeoutMinutes * 60_000);
  const child = spawn(command, [script], {
    stdio: 'pipe',
    env: { ...environment, PYTHONIOENCODING: 'utf-8' },
    signal: AbortSignal.any([signal, timeout]),
    killSignal: 'SIGKILL',
  });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-4000)));
  // A Python that ends early closes its input.
  child.stdin.on('error', () => undefined).end(JSON.stringify(input));
  let code: number | null;
  try {
    [code] = (await once(child, 'close')) as [number | null];
  } catch (error) {
    if (signal.aborted) return refuse('cancelled', { what: 'Comparing' });
    if (timeout.aborted) return refuse('python/timeout', { python: command, minutes: timeoutMinutes });
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    return refuse('python/failed', { python: command, how: (error as Error).message, lines: '' });
  }
  const lines = errors.trim().split('\n').slice(-3).join(' ');
  const last = output.trim().split('\n').at(-1) ?? '';
  try {
    return parseJson(last, anyJson);
  } catch {
    const how = code === 0 ? 'it printed no answer' : `it ended with exit code ${code ?? 'of a signal'}`;
    return refuse('python/failed', { python: command, how, lines });
  }
}
