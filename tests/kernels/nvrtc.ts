/**
 * @file NVRTC for the tests: from its wheel, which pip downloads into the user's cache once. What it reports of a
 * kernel is kept there too.
 */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import type { Kernel, Launch } from '../../src-main/engine/kernels/kernel.ts';
import { compilerOptions } from '../../src-main/engine/kernels/runtime.ts';
import { sourceOf } from '../../src-main/engine/kernels/source.ts';
import { openNvrtc } from '../../src-main/engine/ort/nvrtc.ts';
import { hashText } from '../../src-main/store/gpu/kernel-cache.ts';
import { extractEntry, readZipEntries } from '../../src-main/store/gpu/zip.ts';

const requirement = 'nvidia-cuda-nvrtc==13.0.*';
const files = ['libnvrtc.so.13', 'libnvrtc-builtins.so.13.0'];
const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'cambium-kernels');
const folder = join(cache, 'nvrtc-13.0');

function downloadWheel(to: string): string {
  const platforms = [
    'manylinux_2_28_x86_64',
    'manylinux2014_x86_64',
    'manylinux2010_x86_64',
    'manylinux1_x86_64',
  ];
  const flags = ['--quiet', '--no-deps', '--only-binary', ':all:', '--disable-pip-version-check'];
  const tags = [...platforms.flatMap((name) => ['--platform', name]), '--python-version', '3.12'];
  execFileSync('python3', ['-m', 'pip', 'download', ...flags, ...tags, requirement, '-d', to], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return join(
    to,
    readdirSync(to).find((name) => name.endsWith('.whl'))!,
  );
}

/** Downloads NVRTC unless the cache has it. Returns why there is none, as a sentence; undefined if there is. */
async function fetchNvrtc(): Promise<string | undefined> {
  if (existsSync(folder)) return undefined;
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'NVRTC is fetched for linux-x64 only';
  mkdirSync(cache, { recursive: true });
  const made = mkdtempSync(`${folder}-`);
  try {
    const wheel = downloadWheel(made);
    for (const entry of await readZipEntries(wheel)) {
      const name = basename(entry.name);
      if (files.includes(name)) await extractEntry(wheel, entry, join(made, name), () => undefined);
    }
    rmSync(wheel);
    renameSync(made, folder);
    return undefined;
  } catch (error) {
    rmSync(made, { recursive: true, force: true });
    if (existsSync(folder)) return undefined;
    const reason = String((error as { stderr?: Buffer }).stderr ?? error).trim();
    return `pip cannot download ${requirement} (${reason.split('\n').at(-1)!})`;
  }
}

/** Every architecture since Ampere. */
export const architectures = ['sm_80', 'sm_86', 'sm_89', 'sm_90', 'sm_100', 'sm_120'];

/** Why NVRTC is missing, as a sentence. */
export const missing = await fetchNvrtc();
/** The folder of NVRTC's libraries. */
export const nvrtcFolder = folder;

/** What the compiler reports of a kernel. */
export interface Resources {
  readonly registers: number;
  /** Bytes that one thread spills. */
  readonly spills: number;
  /** Static and dynamic bytes of a block. */
  readonly shared: number;
}

const numberIn = (log: string, pattern: RegExp): number => Number(pattern.exec(log)?.[1] ?? 0);

/** Compiles a kernel for an architecture. Throws `kernel/compile`. */
export function compile(kernel: Kernel, launch: Launch, architecture: string): Resources {
  const source = sourceOf(kernel, launch);
  const options = [...compilerOptions(kernel), '--ptxas-options=-v'];
  const file = join(cache, `${hashText(source, architecture, requirement, ...options)}.log`);
  if (!existsSync(file)) {
    const { log } = openNvrtc(folder).compile(kernel.op, source, architecture, options);
    const temporary = `${file}-${process.pid}`;
    writeFileSync(temporary, log);
    renameSync(temporary, file);
  }
  const log = readFileSync(file, 'utf8');
  return {
    registers: numberIn(log, /Used (\d+) registers/),
    spills: numberIn(log, /(\d+) bytes spill stores/),
    shared: numberIn(log, /(\d+) bytes smem/) + launch.sharedBytes,
  };
}
