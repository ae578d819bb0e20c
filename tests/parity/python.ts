/**
 * @file The Python that suites and benchmarks use: CAMBIUM_PYTHON, or a virtual environment in the user's cache that
 * is created on first use.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const isWindows = process.platform === 'win32';

function cacheFolder(): string {
  const { LOCALAPPDATA = homedir(), XDG_CACHE_HOME } = process.env;
  if (isWindows) return LOCALAPPDATA;
  return XDG_CACHE_HOME ?? join(homedir(), process.platform === 'darwin' ? 'Library/Caches' : '.cache');
}

/** The path of a Python that has torch, transformers, safetensors and numpy. Throws if it cannot be installed. */
export function findPython(): string {
  const { CAMBIUM_PYTHON } = process.env;
  if (CAMBIUM_PYTHON) return CAMBIUM_PYTHON;
  const venv = join(cacheFolder(), 'cambium', 'parity');
  const python = join(venv, ...(isWindows ? ['Scripts', 'python.exe'] : ['bin', 'python']));
  const marker = join(venv, 'complete');
  if (existsSync(marker)) return python;
  console.log(
    `Installing torch and transformers in ${venv} (once, several GB; set CAMBIUM_PYTHON to use your own Python)`,
  );
  run(isWindows ? 'python' : 'python3', '-m', 'venv', venv);
  run(python, '-m', 'pip', 'install', '--quiet', 'torch', 'transformers', 'safetensors', 'numpy');
  writeFileSync(marker, '');
  return python;
}

function run(command: string, ...args: readonly string[]): void {
  if (spawnSync(command, args, { stdio: 'inherit' }).status === 0) return;
  throw new Error(
    `${command} ${args.join(' ')} failed; set CAMBIUM_PYTHON to a Python with torch, transformers and safetensors`,
  );
}
