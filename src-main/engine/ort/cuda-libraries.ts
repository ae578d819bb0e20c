/**
 * @file Loads the CUDA libraries before the execution provider needs them: from Cambium's own folder if they
 * are installed there, otherwise from the system.
 */
import { join } from 'node:path';
import koffi, { type LibraryHandle } from 'koffi';
import type { NativeLibrary } from '../../contract/gpu.ts';
import { cudaLibraries, driverLibrary } from '../../store/gpu/packages.ts';
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

/** Returns the libraries that CUDA needs, and which of them this process can load. */
export function listNativeLibraries(): readonly NativeLibrary[] {
  if (process.platform !== 'linux') return [];
  loadInstalledLibraries();
  return [{ name: driverLibrary, carrier: null }, ...cudaLibraries].map(({ name, carrier }) => ({
    name,
    carrier,
    found: tryLoad(name, name),
  }));
}
