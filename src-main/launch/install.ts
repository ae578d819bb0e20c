/**
 * @file Installs PyTorch into a virtual environment of Cambium, in exact versions whose wheels have the hashes of
 * resources/distributed/requirements.txt.
 */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { refuse } from '../base/errors.ts';
import { exists, writeOrRefuse } from '../store/fs/files.ts';
import { removeFolder } from '../store/fs/folder.ts';
import { withLock } from '../store/fs/lock.ts';
import { runCommand, type CommandResult } from './commands.ts';
import { findTrainer, pythonIn, torchFolder } from './python.ts';

/** The oldest Python that all of the packages support. */
const oldestPython = [3, 11] as const;
const isWindows = process.platform === 'win32';
/** Commands that may start a Python, in the order in which they are tried. */
const candidates = isWindows
  ? ['py', 'python']
  : ['python3', 'python', 'python3.13', 'python3.12', 'python3.11'];

export interface TorchInstallOptions {
  /** Called with what is done. */
  readonly onProgress: (what: string) => void;
  readonly signal: AbortSignal;
  /** The versions and hashes; default: those of Cambium. */
  readonly requirements?: string;
}

/**
 * Creates the virtual environment anew and installs the packages. An installation that fails leaves nothing. Throws
 * `torch/no-python`, `torch/install`, `cancelled`.
 */
export async function installTorch({
  onProgress,
  signal,
  requirements = join(findTrainer(), 'requirements.txt'),
}: TorchInstallOptions): Promise<void> {
  const folder = torchFolder();
  await writeOrRefuse(folder, () => mkdir(dirname(folder), { recursive: true }));
  await withLock(`${folder}.lock`, async () => {
    await removeFolder(folder);
    try {
      const python = await findBasePython();
      onProgress(`creating ${folder} with ${python}`);
      check(await runCommand([python, '-m', 'venv', folder], { signal }), 'python -m venv', signal);
      const pip = await runCommand(
        [pythonIn(folder), '-m', 'pip', ...pipArguments, '--requirement', requirements],
        { signal },
        (line) => {
          const collected = /^(Collecting|Downloading|Installing collected packages).*/.exec(
            line.trim(),
          )?.[0];
          if (collected !== undefined) onProgress(collected.slice(0, 100));
        },
      );
      check(pip, 'pip install', signal);
    } catch (error) {
      await removeFolder(folder);
      throw error;
    }
  });
}

const pipArguments = [
  'install',
  '--require-hashes',
  '--no-deps',
  ...['--only-binary', ':all:'],
  '--no-input',
  '--disable-pip-version-check',
  ...['--progress-bar', 'off'],
] as const;

/** Removes the virtual environment. Returns false if there was none. */
export async function removeTorch(): Promise<boolean> {
  const folder = torchFolder();
  const isThere = await exists(folder);
  if (isThere) await withLock(`${folder}.lock`, () => removeFolder(folder));
  return isThere;
}

/** A Python that is new enough and can create virtual environments. */
async function findBasePython(): Promise<string> {
  const script = 'import sys, venv, ensurepip; print(*sys.version_info[:2])';
  for (const command of candidates) {
    const { code, output } = await runCommand([command, '-c', script]);
    const [major = 0, minor = 0] = output.trim().split(' ').map(Number);
    if (code === 0 && major === oldestPython[0] && minor >= oldestPython[1]) return command;
  }
  return refuse('torch/no-python', { tried: candidates, oldest: oldestPython.join('.') });
}

function check({ code, output, errors }: CommandResult, what: string, signal: AbortSignal): void {
  if (code === 0) return;
  if (signal.aborted) refuse('cancelled', { what: 'The installation' });
  const lines = `${output}\n${errors}`.trim().split('\n');
  const why = lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1)!;
  refuse('torch/install', { what, why: why.replace(/^ERROR: /, '').slice(0, 500) });
}
