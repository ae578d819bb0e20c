/** @file The checks of `cambium doctor`: what Cambium needs on this computer, and how to get what is missing. */
import { freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import { toErrorData, describeError } from '../base/errors.ts';
import { formatBytes } from '../base/format.ts';
import { missingLibraries, type GpuStatus, type NativeLibrary } from '../contract/gpu.ts';
import type { Check, Device } from '../contract/schema.ts';
import type { TorchStatus } from '../contract/torch.ts';
import { exists } from '../store/fs/files.ts';
import { getFreeBytes, findExistingAncestor } from '../store/fs/folder.ts';
import { readSelfTests } from '../store/gpu/kernel-cache.ts';
import { neededDriver } from '../store/gpu/packages.ts';
import { builtInCheckpoint, type Dependencies, type Environment } from './dependencies.ts';

/** The platforms for which the package of ONNX Runtime 1.30 has a library. */
const platforms = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'win32-x64', 'win32-arm64'];
const minimumNodeVersion = 24;
const minimumMemory = 2e9;
const minimumDisk = 5e9;

/** What other parts of the service find on this computer. */
export interface Findings {
  readonly listDevices: () => Promise<readonly Device[]>;
  readonly getGpuStatus: () => Promise<GpuStatus>;
  readonly getTorchStatus: () => Promise<TorchStatus>;
}

export async function checkComputer(
  dependencies: Dependencies,
  { listDevices, getGpuStatus, getTorchStatus }: Findings,
): Promise<readonly Check[]> {
  const { environment, home } = dependencies;
  return [
    ...checkRuntime(environment),
    ...(await checkDevices(listDevices)),
    ...(await checkGpu(getGpuStatus, environment.runtime?.cuda === true)),
    ...(await checkKernels(home.dir)),
    checkTorch(await getTorchStatus()),
    required(
      'Memory',
      totalmem() > minimumMemory,
      `${formatBytes(freemem())} of ${formatBytes(totalmem())} free`,
      'Close other programs, or use a smaller micro-batch size.',
    ),
    await checkDisk(home.dir),
    await checkBuiltInCheckpoint(builtInCheckpoint(dependencies)),
    ...checkPrograms(environment),
  ];
}

/** A check; `remedy` is shown only if it fails. */
const required = (what: string, ok: boolean, found: string, remedy: string): Check =>
  ok ? { what, ok, found } : { what, ok, found, remedy };

/** A check that may fail. */
const optional = (what: string, ok: boolean, found: string, remedy: string): Check => ({
  ...required(what, ok, found, remedy),
  optional: true,
});

function checkRuntime({ runtime }: Environment): readonly Check[] {
  const platform = `${process.platform}-${process.arch}`;
  const { node } = process.versions;
  return [
    required(
      'Node.js',
      Number(node.split('.')[0]) >= minimumNodeVersion,
      node,
      'Run npm ci in the checkout, which installs Node 24; or install it from nodejs.org.',
    ),
    required(
      'Platform',
      platforms.includes(platform),
      platform,
      `ONNX Runtime supports ${platforms.join(', ')}.`,
    ),
    required(
      'ONNX Runtime',
      runtime !== null,
      runtime ? `${runtime.version} in ${runtime.folder}` : 'not installed',
      'Run npm ci in the checkout.',
    ),
  ];
}

/** The CPU is required, other devices are optional. */
async function checkDevices(listDevices: () => Promise<readonly Device[]>): Promise<readonly Check[]> {
  try {
    return (await listDevices()).map(({ id, name, available, why, memory }) => {
      const size = memory === null ? '' : `, ${formatBytes(memory)}`;
      const found = available ? `${name}${size}` : 'not available';
      const check = id === 'cpu' ? required : optional;
      return check(`Device ${id}`, available, found, why ?? 'See the log.');
    });
  } catch (thrown) {
    const [sentence, remedy] = describeError(toErrorData(thrown));
    return [required('Engine', false, sentence, remedy)];
  }
}

const noGpuStatus: Pick<GpuStatus, 'possible' | 'needed' | 'installed' | 'libraries' | 'folder'> = {
  possible: false,
  needed: '',
  installed: null,
  libraries: [],
  folder: '',
};

/**
 * The CUDA provider and the libraries that it needs. `isBundled`: a provider was found next to the library of
 * ONNX Runtime.
 */
async function checkGpu(
  getGpuStatus: () => Promise<GpuStatus>,
  isBundled: boolean,
): Promise<readonly Check[]> {
  const { possible, needed, installed, libraries, folder } = await getGpuStatus().catch(() => noGpuStatus);
  if (!possible) return [];
  const missing = missingLibraries(libraries);
  const lacksDriver = missing.some((library) => library.carrier === null);
  return [
    optional(
      'CUDA provider',
      installed?.current === true || (!installed && isBundled),
      describeProvider({ installed, needed, folder }, isBundled),
      'For an NVIDIA GPU: cambium gpu install',
    ),
    optional(
      'CUDA libraries',
      missing.length === 0,
      missing.length === 0 ? 'all found' : describeMissing(missing),
      lacksDriver
        ? `For an NVIDIA GPU: install its driver, ${neededDriver} or newer, from the packages of your system, ` +
            'then cambium gpu install --cuda'
        : 'cambium gpu install --cuda',
    ),
  ];
}

/** The self-tests of the CUDA kernels, which the first training on a GPU makes. */
async function checkKernels(home: string): Promise<readonly Check[]> {
  const tests = await readSelfTests(home);
  if (tests.length === 0) return [];
  const failures = tests.flatMap(({ device, precision, results }) =>
    Object.entries(results).flatMap(([group, why]) =>
      why === null ? [] : [`${group} on ${device}, ${precision}: ${why}`],
    ),
  );
  const found = failures.length === 0 ? 'all passed their self-test' : failures.join('; ');
  return [
    optional(
      'CUDA kernels',
      failures.length === 0,
      found,
      'These kernels are not used, and training is right without them. Please report this.',
    ),
  ];
}

/** PyTorch, which `--engine torch` needs. */
function checkTorch({ command, found }: TorchStatus): Check {
  const remedy = 'To train on several devices: cambium torch install';
  if (!found) return optional('PyTorch', false, 'not installed', remedy);
  const { packages, missing, gpus } = found;
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
  const devices = gpus.length > 0 ? gpus.join(', ') : 'no GPU, trains on the CPU';
  const lacks = missing.length > 0 ? `; lacks ${missing.join(', ')}` : '';
  const text = `${versions.join(', ')} in ${command}; ${devices}${lacks}`;
  return optional('PyTorch', missing.length === 0, text, remedy);
}

function describeMissing(missing: readonly NativeLibrary[]): string {
  const absent = missing.filter((library) => library.why === undefined).map((library) => library.name);
  const problems = missing.flatMap((library) => library.why ?? []);
  return [...problems, ...(absent.length > 0 ? [`not found: ${absent.join(', ')}`] : [])].join('; ');
}

function describeProvider(
  { installed, needed, folder }: Pick<GpuStatus, 'installed' | 'needed' | 'folder'>,
  isBundled: boolean,
): string {
  if (!installed) return isBundled ? 'next to ONNX Runtime' : 'not installed';
  const problem = installed.current ? '' : `, but ${needed} is needed, or files are missing`;
  return `${installed.runtime} in ${folder}${problem}`;
}

async function checkDisk(home: string): Promise<Check> {
  try {
    const free = await getFreeBytes(await findExistingAncestor(home));
    return required(
      'Disk',
      free > minimumDisk,
      `${formatBytes(free)} free for ${home}`,
      `Free some space, or set CAMBIUM_HOME to a folder on a larger disk.`,
    );
  } catch (thrown) {
    return required(
      'Disk',
      false,
      `${home}: ${describeError(toErrorData(thrown))[0]}`,
      'Set CAMBIUM_HOME to a writable folder.',
    );
  }
}

const checkBuiltInCheckpoint = async (dir: string): Promise<Check> =>
  required(
    'Demo checkpoint',
    await exists(join(dir, 'config.json')),
    dir,
    'Restore the folder resources/demo from the repository.',
  );

const checkPrograms = ({ electron, browser }: Environment): readonly Check[] => [
  optional(
    'Desktop window',
    electron !== null,
    electron ?? "Electron's binary is not downloaded",
    'Run npx install-electron. Without it, the browser shows the same interface.',
  ),
  optional(
    'Browser',
    browser !== null,
    browser ?? 'none found',
    'Open the printed address on another computer through ssh -L, or install a browser.',
  ),
];
