/** @file Downloads wheels with the pip of the user. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { splitLines } from '../../base/lines.ts';

/** Commands that take the arguments of pip, in the order in which they are tried. */
const clients: readonly (readonly [command: string, ...args: string[]])[] = [
  ['pip3'],
  ['pip'],
  ['python3', '-m', 'pip'],
  ['uvx', 'pip'],
];

/** Minor versions of glibc 2 of the wheels that run on a current Linux. pip needs the name of each platform. */
const glibcVersions = [17, 24, 27, 28, 31, 34, 35, 39];

function platformArguments(arch: string): readonly string[] {
  const machine = arch === 'arm64' ? 'aarch64' : 'x86_64';
  const names = ['manylinux1', 'manylinux2014', ...glibcVersions.map((n) => `manylinux_2_${n}`)];
  return names.flatMap((name) => ['--platform', `${name}_${machine}`]);
}

export interface PipOptions {
  readonly signal: AbortSignal;
  /** Called with every line that pip prints. */
  readonly onLine: (line: string) => void;
  readonly arch?: string;
}

/**
 * Downloads the wheels of `packages` (`name` or `name==version`) without their dependencies; returns their paths.
 * Throws `gpu/no-pip`, `gpu/download` or `cancelled`.
 */
export async function downloadWheels(
  packages: readonly string[],
  folder: string,
  { signal, onLine, arch = process.arch }: PipOptions,
): Promise<readonly string[]> {
  const client = await findClient();
  const args = [
    'download',
    '--no-deps',
    '--only-binary=:all:',
    ...['--python-version', '3.12'],
    ...['--implementation', 'cp'],
    ...platformArguments(arch),
    ...['--dest', folder],
    ...['--progress-bar', 'off'],
    '--disable-pip-version-check',
    ...packages,
  ];
  const { code, lines } = await run([...client, ...args], signal, onLine);
  if (signal.aborted) refuse('cancelled', { what: 'The download' });
  if (code !== 0) {
    const error = lines.findLast((line) => /error/i.test(line))?.replace(/^ERROR: /, '');
    const why = error ?? `${client.join(' ')} ended with ${code ?? 'a signal'}`;
    refuse('gpu/download', { what: packages.join(', '), why });
  }
  return findWheels(packages, folder, lines);
}

/** The wheels of `packages` in `folder`, of those that pip named, if it named any. */
async function findWheels(
  packages: readonly string[],
  folder: string,
  lines: readonly string[],
): Promise<readonly string[]> {
  const prefixes = packages.map((name) => `${normalizeName(name)}-`);
  const named = new Set(lines.flatMap((line) => /([^\s/\\]+\.whl)\s*$/.exec(line)?.[1] ?? []));
  const files = (await readdir(folder)).filter((file) => file.endsWith('.whl'));
  return files
    .filter((file) => prefixes.some((prefix) => file.toLowerCase().startsWith(prefix)))
    .filter((file) => named.size === 0 || named.has(file))
    .map((file) => join(folder, file));
}

/** The name of a package in the names of its wheels. */
const normalizeName = (requirement: string): string =>
  requirement
    .replace(/==.*/, '')
    .replace(/[-_.]+/g, '_')
    .toLowerCase();

/** The first client that works. */
async function findClient(): Promise<readonly [string, ...string[]]> {
  for (const client of clients) {
    const { code } = await run([...client, '--version']);
    if (code === 0) return client;
  }
  return refuse('gpu/no-pip', { tried: clients.map((client) => client.join(' ')) });
}

/** Runs a command. `code` is null if it cannot be started or was ended by a signal. */
async function run(
  [command, ...args]: readonly string[],
  signal?: AbortSignal,
  onLine: (line: string) => void = () => undefined,
): Promise<{ readonly code: number | null; readonly lines: readonly string[] }> {
  const child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'pipe'], ...(signal ? { signal } : {}) });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    const { push, end } = splitLines((raw) => {
      const line = raw.trim();
      if (line === '') return;
      lines.push(line);
      onLine(line);
    });
    stream.setEncoding('utf8').on('data', push).on('end', end);
  }
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, lines };
  } catch {
    return { code: null, lines };
  }
}
