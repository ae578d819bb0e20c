/** @file Finds a Python with PyTorch: CAMBIUM_PYTHON, or what `cambium torch install` installed. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { parseJson } from '../base/json.ts';
import { refuse } from '../base/errors.ts';
import { resolveHomeDir } from '../store/home/home.ts';
import { runCommand } from './commands.ts';

/** What a Python has; `missing` are packages that it lacks. */
export const pythonReport = z.object({
  python: z.string(),
  packages: z.record(z.string(), z.string()),
  missing: z.array(z.string()),
  /** Names of the GPUs that PyTorch can use. */
  gpus: z.array(z.string()),
});
export type PythonReport = Readonly<z.infer<typeof pythonReport>> & { readonly command: string };

/** The folder `distributed` of the resources of this installation. */
export function findTrainer(start: string = import.meta.dirname): string {
  for (let dir = start; ; dir = dirname(dir)) {
    const folder = join(dir, 'resources', 'distributed').replace('app.asar', 'app.asar.unpacked');
    if (existsSync(join(folder, 'train.py'))) return folder;
    if (dir === dirname(dir)) throw new Error(`no trainer above ${start}`);
  }
}

/** The virtual environment of Cambium. */
export const torchFolder = (): string => join(resolveHomeDir(), 'torch');

/** The Python of a virtual environment. */
export const pythonIn = (venv: string): string =>
  join(venv, ...(process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']));

/** The command that should have PyTorch: CAMBIUM_PYTHON, or that of Cambium's virtual environment. */
export const chooseTorchPython = ({ CAMBIUM_PYTHON }: NodeJS.ProcessEnv = process.env): string =>
  CAMBIUM_PYTHON === undefined || CAMBIUM_PYTHON === '' ? pythonIn(torchFolder()) : CAMBIUM_PYTHON;

/** What a Python has; undefined if it cannot be run. */
export async function inspectPython(command: string): Promise<PythonReport | undefined> {
  const script = join(findTrainer(), 'inspect_python.py');
  const { code, output } = await runCommand([command, script]);
  if (code !== 0) return undefined;
  try {
    return { ...parseJson(output.trim().split('\n').at(-1)!, pythonReport), command };
  } catch {
    return undefined;
  }
}

/** The Python that trains. Throws `torch/not-installed`, `torch/missing-packages`. */
export async function findTorchPython(): Promise<PythonReport> {
  const command = chooseTorchPython();
  const report = (await inspectPython(command)) ?? refuse('torch/not-installed', { python: command });
  const { missing } = report;
  return missing.length === 0
    ? report
    : refuse('torch/missing-packages', { python: command, packages: missing });
}
