/**
 * @file Builds the stand-in for NVIDIA's libraries into the user's cache: the real CUDA provider of ONNX
 * Runtime from its wheel, and the libraries of `native/` that it loads in place of NVIDIA's.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { providerPackage, runtimeLibrary } from '../../../src-main/store/gpu/packages.ts';
import { extractEntry, readZipEntries } from '../../../src-main/store/gpu/zip.ts';

/** The folders of a built stand-in. */
export interface Build {
  /** ONNX Runtime and its CUDA provider. */
  readonly provider: string;
  /** The stand-ins, for LD_LIBRARY_PATH. */
  readonly libraries: string;
}
/** Why there is no stand-in on this machine, as a sentence. */
export interface Missing {
  readonly missing: string;
}

const native = join(import.meta.dirname, 'native');
const providerFiles = ['libonnxruntime_providers_cuda.so', 'libonnxruntime_providers_shared.so'];
const platform = 'linux-x64';

/** The parts of each library: its sources, and the libraries of this folder that it needs. */
const libraries: Readonly<Record<string, { readonly sources: readonly string[]; readonly needs: string[] }>> =
  {
    'libstandin.so': { sources: ['ledger.c', 'memory.c', 'order.c', 'products.c'], needs: [] },
    'libcudart.so.13': {
      sources: ['cudart-device.c', 'cudart-kernels.c', 'cudart-memory.c', 'cudart-streams.c'],
      needs: ['libstandin.so'],
    },
    'libcublas.so.13': { sources: ['cublas.c'], needs: ['libstandin.so'] },
    'libcublasLt.so.13': { sources: ['cublaslt.c'], needs: ['libstandin.so'] },
    'libcuda.so.1': { sources: ['driver.c'], needs: ['libcudart.so.13', 'libstandin.so'] },
    'libcudnn.so.9': { sources: ['cudnn.c'], needs: ['libstandin.so'] },
    'libcurand.so.10': { sources: ['empty.c'], needs: [] },
  };
/** Libraries whose symbols carry the library's name as their version, as NVIDIA's do. */
const versioned = ['libcudart.so.13', 'libcublas.so.13', 'libcublasLt.so.13'];

/** The functions of cuDNN that launch work, as far as the provider uses them. */
const computes = [
  'cudnnActivationForward',
  'cudnnBackendExecute',
  'cudnnBatchNormalizationForwardInference',
  'cudnnBatchNormalizationForwardTraining',
  'cudnnConvolutionBiasActivationForward',
  'cudnnConvolutionForward',
  'cudnnLRNCrossChannelForward',
  'cudnnPoolingForward',
  'cudnnRNNForward',
  'cudnnReduceTensor',
  'cudnnSoftmaxForward',
];
/** The functions of cuDNN that cudnn.c defines itself. */
const ownFunctions = /^cudnn(Create|Destroy|SetStream|GetVersion|GetErrorString)$/;

const canRun = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0;

const cacheFolder = (): string =>
  join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'cambium-cuda-standin');

/** Folder and version of onnxruntime-node. */
function findRuntime(): { readonly version: string; readonly library: string } {
  const manifest = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  return { version, library: join(manifest, '../bin/napi-v6/linux/x64', runtimeLibrary) };
}

/** Fills a new folder and gives it its name at the end, so that an interrupted build leaves nothing. */
async function createFolder(target: string, fill: (folder: string) => Promise<void>): Promise<void> {
  if (existsSync(target)) return;
  mkdirSync(join(target, '..'), { recursive: true });
  const folder = mkdtempSync(`${target}-`);
  try {
    await fill(folder);
    renameSync(folder, target);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
}

/** Downloads the wheel of the CUDA provider with pip; returns its path. Throws if pip cannot. */
function downloadWheel(version: string, folder: string): string {
  const tags = ['--platform', 'manylinux_2_28_x86_64', '--python-version', '3.12', '--implementation', 'cp'];
  const flags = ['--quiet', '--no-deps', '--only-binary', ':all:', '--disable-pip-version-check'];
  const requirement = `${providerPackage}==${version}`;
  execFileSync('python3', ['-m', 'pip', 'download', ...flags, ...tags, requirement, '-d', folder], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return join(
    folder,
    readdirSync(folder).find((name) => name.endsWith('.whl'))!,
  );
}

async function createProvider(folder: string, runtime: ReturnType<typeof findRuntime>): Promise<void> {
  const download = join(folder, 'wheel');
  mkdirSync(download);
  const wheel = downloadWheel(runtime.version, download);
  for (const entry of await readZipEntries(wheel)) {
    const name = basename(entry.name);
    if (providerFiles.includes(name)) await extractEntry(wheel, entry, join(folder, name), () => undefined);
  }
  rmSync(download, { recursive: true });
  copyFileSync(runtime.library, join(folder, runtimeLibrary));
}

/** Declares every function of cuDNN that the provider names. */
function writeCudnnNames(provider: string, path: string): void {
  const text = readFileSync(join(provider, providerFiles[0]!)).toString('latin1');
  const names = new Set([...text.matchAll(/\0(cudnn[A-Z]\w+)(?=\0)/g)].map(([, name]) => name!));
  const lines = [...names]
    .filter((name) => !ownFunctions.test(name))
    .sort()
    .map((name) => `${computes.includes(name) ? 'COMPUTES' : 'ANSWERS'}(${name})\n`);
  writeFileSync(path, lines.join(''));
}

function compileLibrary(folder: string, name: string): void {
  const { sources, needs } = libraries[name]!;
  const flags = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC', `-I${folder}`];
  const map = join(folder, `${name}.map`);
  if (versioned.includes(name)) {
    writeFileSync(map, `${name} { global: *; };\n`);
    flags.push(`-Wl,--version-script=${map}`);
  }
  execFileSync(
    'gcc',
    [
      ...flags,
      `-Wl,-soname,${name}`,
      ...['-o', join(folder, name)],
      ...sources.map((source) => join(native, source)),
      `-L${folder}`,
      ...needs.map((needed) => `-l:${needed}`),
      ...['-Wl,-rpath,$ORIGIN', '-lpthread', '-ldl'],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  rmSync(map, { force: true });
}

function createLibraries(folder: string, provider: string): Promise<void> {
  writeCudnnNames(provider, join(folder, 'cudnn-names.h'));
  for (const name of Object.keys(libraries)) compileLibrary(folder, name);
  symlinkSync('libcudnn.so.9', join(folder, 'libcudnn.so'));
  return Promise.resolve();
}

/** A hash of everything that decides what the libraries are. */
function hashSources(version: string): string {
  const hash = createHash('sha256')
    .update(version)
    .update(readFileSync(import.meta.filename));
  for (const name of readdirSync(native).sort()) hash.update(name).update(readFileSync(join(native, name)));
  return hash.digest('hex').slice(0, 16);
}

/** The first thing that the build needs and this machine lacks. */
function findMissing(): string | undefined {
  const here = `${process.platform}-${process.arch}`;
  if (here !== platform) return `it needs ${platform}, and this is ${here}`;
  if (!canRun('gcc', '--version')) return 'gcc is not installed';
  if (!canRun('python3', '-m', 'pip', '--version')) return 'python3 with pip is not installed';
  return undefined;
}

/** Builds what is not in the cache yet. Throws if a source does not compile. */
export async function build(): Promise<Build | Missing> {
  const missing = findMissing();
  if (missing !== undefined) return { missing };
  const runtime = findRuntime();
  const provider = join(cacheFolder(), `provider-${runtime.version}`);
  try {
    await createFolder(provider, (folder) => createProvider(folder, runtime));
  } catch (error) {
    const reason = String((error as { stderr?: Buffer }).stderr ?? error)
      .trim()
      .split('\n')
      .at(-1)!;
    return { missing: `pip cannot download ${providerPackage} ${runtime.version} (${reason})` };
  }
  const folder = join(cacheFolder(), `libraries-${hashSources(runtime.version)}`);
  await createFolder(folder, (target) => createLibraries(target, provider));
  return { provider, libraries: folder };
}
