/** @file The person's own package client: finds one, and has it fetch wheels by name into a folder. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { inLines } from '../../base/lines.ts';

/** Commands that take pip's arguments, in the order in which they are tried. */
const clients: readonly (readonly [command: string, ...before: string[]])[] = [
  ['pip3'],
  ['pip'],
  ['python3', '-m', 'pip'],
  ['uvx', 'pip'],
];

/** Platforms of wheels that run on a current Linux; pip wants each by its own name. */
const glibc = [17, 24, 27, 28, 31, 34, 35, 39];
const platforms = (arch: string): readonly string[] => {
  const machine = arch === 'arm64' ? 'aarch64' : 'x86_64';
  return ['manylinux1', 'manylinux2014', ...glibc.map((n) => `manylinux_2_${n}`)].flatMap((p) => [
    '--platform',
    `${p}_${machine}`,
  ]);
};

export interface PipOptions {
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
  readonly arch?: string;
}

/**
 * Wheels of these packages (`name` or `name==version`), newest first where no version is said, without what
 * they themselves ask for; their paths. Refuses `gpu/no-pip`, `gpu/download`.
 */
export async function fetchWheels(
  packages: readonly string[],
  folder: string,
  { signal, say, arch = process.arch }: PipOptions,
): Promise<readonly string[]> {
  const client = await found();
  const given = [
    'download',
    '--no-deps',
    '--only-binary=:all:',
    '--python-version',
    '3.12',
    '--implementation',
    'cp',
    ...platforms(arch),
    '--dest',
    folder,
    '--progress-bar',
    'off',
    '--disable-pip-version-check',
    ...packages,
  ];
  const { code, lines } = await ran([...client, ...given], signal, say);
  if (signal.aborted) refuse('cancelled', { what: 'The download' });
  if (code !== 0)
    refuse('gpu/download', {
      what: packages.join(', '),
      why:
        lines
          .filter((l) => /error/i.test(l))
          .at(-1)
          ?.replace(/^ERROR: /, '') ?? `${client.join(' ')} ended with ${code ?? 'a signal'}`,
    });
  const names = packages.map((p) =>
    p
      .replace(/==.*/, '')
      .replace(/[-_.]+/g, '_')
      .toLowerCase(),
  );
  const told = new Set(lines.flatMap((l) => /([^\s/\\]+\.whl)\s*$/.exec(l)?.[1] ?? []));
  const wheels = (await readdir(folder)).filter(
    (file) =>
      file.endsWith('.whl') &&
      names.some((name) => file.toLowerCase().startsWith(`${name}-`)) &&
      (told.size === 0 || told.has(file)),
  );
  return wheels.map((file) => join(folder, file));
}

/** The first client that answers. */
async function found(): Promise<readonly [string, ...string[]]> {
  for (const client of clients) if ((await ran([...client, '--version'])).code === 0) return client;
  return refuse('gpu/no-pip', { tried: clients.map((c) => c.join(' ')) });
}

async function ran(
  [command, ...args]: readonly string[],
  signal?: AbortSignal,
  say: (line: string) => void = () => undefined,
): Promise<{ readonly code: number | null; readonly lines: readonly string[] }> {
  const child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'pipe'], ...(signal ? { signal } : {}) });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    const { push, end } = inLines((raw) => {
      const line = raw.trim();
      if (line !== '') {
        lines.push(line);
        say(line);
      }
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
