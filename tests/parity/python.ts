/**
 * @file The Python that suites and benchmarks compare with: CAMBIUM_PYTHON, or an environment of our own in
 * the user's cache, made on first use.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const windows = process.platform === 'win32';

/** The command of a Python that has torch, transformers, safetensors and numpy. */
export function python(): string {
  const { CAMBIUM_PYTHON: own, LOCALAPPDATA = homedir(), XDG_CACHE_HOME: xdg } = process.env;
  if (own) return own;
  const cache = windows
    ? LOCALAPPDATA
    : (xdg ?? join(homedir(), process.platform === 'darwin' ? 'Library/Caches' : '.cache'));
  const venv = join(cache, 'cambium', 'parity');
  const made = join(venv, 'complete');
  const found = join(venv, ...(windows ? ['Scripts', 'python.exe'] : ['bin', 'python']));
  if (existsSync(made)) return found;
  console.log(
    `Making a Python with torch and transformers in ${venv} (once, some gigabytes; set CAMBIUM_PYTHON to use one that you have)`,
  );
  run(windows ? 'python' : 'python3', '-m', 'venv', venv);
  run(found, '-m', 'pip', 'install', '--quiet', 'torch', 'transformers', 'safetensors', 'numpy');
  writeFileSync(made, '');
  return found;
}

function run(command: string, ...args: readonly string[]): void {
  if (spawnSync(command, args, { stdio: 'inherit' }).status !== 0)
    throw new Error(
      `${command} ${args.join(' ')} failed; set CAMBIUM_PYTHON to a Python that has torch, transformers and safetensors`,
    );
}
