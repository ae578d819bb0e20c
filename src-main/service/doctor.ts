/**
 * @file What this computer has and lacks, each with its remedy. Optional things that are absent are told, not
 * held against it.
 */
import { freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import { dataOf, wordsOf } from '../base/errors.ts';
import { showBytes } from '../base/units.ts';
import type { GpuStatus } from '../contract/gpu.ts';
import type { Check, Device } from '../contract/schema.ts';
import { exists } from '../store/fs/files.ts';
import { freeBytes, standing } from '../store/fs/folder.ts';
import { builtIn, type Place } from './dependencies.ts';

/** Where ONNX Runtime 1.30's package carries a library. */
const platforms = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'win32-x64', 'win32-arm64'];
const needed = 5e9;

export async function examine(
  place: Place,
  devices: () => Promise<readonly Device[]>,
  gpu: () => Promise<GpuStatus>,
): Promise<readonly Check[]> {
  const { electron, browser, runtime } = place.surroundings;
  const platform = `${process.platform}-${process.arch}`;
  const node = process.versions.node;
  const checks: Check[] = [
    check(
      'Node.js',
      Number(node.split('.')[0]) >= 24,
      node,
      'Run npm ci in the checkout: it brings Node 24; or install it from nodejs.org.',
    ),
    check(
      'Platform',
      platforms.includes(platform),
      platform,
      `ONNX Runtime comes for ${platforms.join(', ')}.`,
    ),
    check(
      'ONNX Runtime',
      runtime !== null,
      runtime ? `${runtime.version} in ${runtime.folder}` : 'not installed',
      'Run npm ci in the checkout.',
    ),
    ...(await deviceChecks(devices)),
    ...(await gpuChecks(gpu, runtime?.cuda === true)),
    check(
      'Memory',
      totalmem() > 2e9,
      `${showBytes(freemem())} of ${showBytes(totalmem())} free`,
      'Close other programs, or use smaller batches.',
    ),
    await disk(place.home.dir),
    check(
      'Built-in example',
      await exists(join(builtIn(place), 'config.json')),
      builtIn(place),
      'Restore the folder resources/demo from the repository.',
    ),
    option(
      'Desktop window',
      electron !== null,
      electron ?? "Electron's binary is not downloaded",
      'Run npx install-electron; without it the browser shows the same interface.',
    ),
    option(
      'Browser',
      browser !== null,
      browser ?? 'none found',
      'Open the printed address on another computer through ssh -L, or install a browser.',
    ),
  ];
  return checks;
}

const check = (what: string, ok: boolean, found: string, remedy: string): Check =>
  ok ? { what, ok, found } : { what, ok, found, remedy };
const option = (what: string, ok: boolean, found: string, remedy: string): Check => ({
  ...check(what, ok, found, remedy),
  optional: true,
});

/** The processor must work; other devices are welcome. */
async function deviceChecks(devices: () => Promise<readonly Device[]>): Promise<readonly Check[]> {
  try {
    return (await devices()).map(({ id, name, available, why, memory }) => {
      const found = available ? `${name}${memory === null ? '' : `, ${showBytes(memory)}`}` : 'not available';
      return (id === 'cpu' ? check : option)(`Device ${id}`, available, found, why ?? 'See the log.');
    });
  } catch (thrown) {
    const [sentence, remedy] = wordsOf(dataOf(thrown));
    return [check('Engine', false, sentence, remedy)];
  }
}

/**
 * The CUDA provider, and whether each library that it asks for is found. `elsewhere`: one was put beside ONNX
 * Runtime by other means.
 */
async function gpuChecks(gpu: () => Promise<GpuStatus>, elsewhere: boolean): Promise<readonly Check[]> {
  const { possible, needed, installed, libraries, folder } = await gpu().catch(
    () =>
      ({
        possible: false,
        needed: '',
        installed: null,
        libraries: [],
        folder: '',
      }) satisfies Partial<GpuStatus>,
  );
  if (!possible) return [];
  const found = installed
    ? `${installed.runtime} in ${folder}${installed.current ? '' : `, but ${needed} is needed, or files are missing`}`
    : elsewhere
      ? 'beside ONNX Runtime'
      : 'not installed';
  const missing = libraries.filter((l) => !l.found);
  const driver = missing.some((l) => l.carrier === null);
  return [
    option(
      'CUDA provider',
      installed?.current === true || (!installed && elsewhere),
      found,
      'For an NVIDIA GPU: cambium gpu install',
    ),
    option(
      'CUDA libraries',
      missing.length === 0,
      missing.length === 0
        ? `all ${libraries.length} found`
        : `not found: ${missing.map((l) => l.name).join(', ')}`,
      driver
        ? 'For an NVIDIA GPU: install its driver from your system\u2019s packages, then cambium gpu install --cuda'
        : 'cambium gpu install --cuda',
    ),
  ];
}

async function disk(home: string): Promise<Check> {
  try {
    const free = await freeBytes(await standing(home));
    return check(
      'Disk',
      free > needed,
      `${showBytes(free)} free for ${home}`,
      `Free some space, or set CAMBIUM_HOME to a folder on a larger disk.`,
    );
  } catch (thrown) {
    return check(
      'Disk',
      false,
      `${home}: ${wordsOf(dataOf(thrown))[0]}`,
      'Set CAMBIUM_HOME to a folder that can be written.',
    );
  }
}
