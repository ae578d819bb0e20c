/**
 * @file Loads the CUDA libraries before the execution provider needs them: from Cambium's own folder if they
 * are installed there, otherwise from the system. Checks the driver's version.
 */
import { join } from 'node:path';
import koffi, { type LibraryHandle } from 'koffi';
import type { NativeLibrary } from '../../contract/gpu.ts';
import { cudaLibraries, driverLibrary, neededCuda, neededDriver } from '../../store/gpu/packages.ts';
import { findInstalledGpuLibraries } from './library.ts';

/** Handles by library name. koffi unloads a library when its handle is collected, so they stay here. */
const loaded = new Map<string, LibraryHandle>();

/** Loads a library; false if it does not exist or needs another one that is not loaded yet. */
function tryLoad(name: string, path: string): boolean {
  if (loaded.has(name)) return true;
  try {
    loaded.set(name, koffi.load(path, { lazy: true }));
    return true;
  } catch {
    return false;
  }
}

/**
 * Loads the libraries installed beside the provider, so that the dynamic loader finds each of them by name.
 * Retries the rest until none can be loaded any more, because some need others.
 */
export function loadInstalledLibraries(): void {
  const installed = findInstalledGpuLibraries();
  if (!installed) return;
  let remaining = installed.files
    .map((file) => file.name)
    .filter((name) => !name.startsWith('libonnxruntime'));
  let before: number;
  do {
    before = remaining.length;
    remaining = remaining.filter((name) => !tryLoad(name, join(installed.folder, name)));
  } while (remaining.length !== before);
}

/**
 * Returns why the installed driver cannot run CUDA 13, as a clause; undefined if it can, or if there is no
 * driver on this system.
 */
export function findDriverProblem(): string | undefined {
  if (process.platform !== 'linux' || !tryLoad(driverLibrary, driverLibrary)) return undefined;
  const version = new Int32Array(1);
  const getVersion = loaded.get(driverLibrary)!.func('cuDriverGetVersion', 'int32_t', ['void *']) as (
    out: Int32Array,
  ) => number;
  if (getVersion(version) === 0 && version[0]! >= neededCuda) return undefined;
  const supported = `${Math.floor(version[0]! / 1000)}.${Math.floor((version[0]! % 1000) / 10)}`;
  const needed = `driver ${neededDriver} or newer is needed, for CUDA ${neededCuda / 1000}`;
  return `the driver supports CUDA ${supported} at most; ${needed}`;
}

/** Returns the libraries that CUDA needs, and which of them this process can load. */
export function listNativeLibraries(): readonly NativeLibrary[] {
  if (process.platform !== 'linux') return [];
  loadInstalledLibraries();
  const problem = findDriverProblem();
  const driver: NativeLibrary = {
    name: driverLibrary,
    carrier: null,
    found: tryLoad(driverLibrary, driverLibrary) && problem === undefined,
    ...(problem === undefined ? {} : { why: problem }),
  };
  return [
    driver,
    ...cudaLibraries.map((library) => ({ ...library, found: tryLoad(library.name, library.name) })),
  ];
}

/**
 * Makes CUDA number its devices as nvidia-smi does, by bus. Otherwise device 0 is the fastest one, and
 * readings of GPU 0 may be those of another. Must run before CUDA is initialized.
 */
export function numberDevicesByBus(): void {
  process.env['CUDA_DEVICE_ORDER'] = 'PCI_BUS_ID';
}
