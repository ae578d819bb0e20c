/**
 * @file CUDA's own libraries: loaded by name before the provider asks for them, from Cambium's folder where
 * they are installed there, else from the system.
 */
import { join } from 'node:path';
import koffi, { type LibraryHandle } from 'koffi';
import type { NativeLibrary } from '../../contract/gpu.ts';
import { cudaLibraries, driverLibrary } from '../../store/gpu/packages.ts';
import { installedHere } from './library.ts';

/** Kept, because koffi unloads a library whose handle is collected. */
const loaded = new Map<string, LibraryHandle>();

function tried(name: string, path: string): boolean {
  if (loaded.has(name)) return true;
  try {
    loaded.set(name, koffi.load(path, { lazy: true }));
    return true;
  } catch {
    return false;
  } // not there, or one that it needs is not: asked again when more are loaded
}

/**
 * Loads what is installed beside the provider, so that the loader finds each by its name; those that need
 * others after them.
 */
export function loadInstalled(): void {
  const installed = installedHere();
  if (!installed) return;
  let left = installed.files.map((f) => f.name).filter((name) => !name.startsWith('libonnxruntime'));
  for (let before = -1; left.length !== before;) {
    before = left.length;
    left = left.filter((name) => !tried(name, join(installed.folder, name)));
  }
}

/** Which of the libraries that CUDA needs can be loaded in this process. */
export function nativeLibraries(): readonly NativeLibrary[] {
  if (process.platform !== 'linux') return [];
  loadInstalled();
  return [{ name: driverLibrary, carrier: null }, ...cudaLibraries].map(({ name, carrier }) => ({
    name,
    carrier,
    found: tried(name, name),
  }));
}
