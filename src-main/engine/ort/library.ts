/**
 * @file Finds and loads the ONNX Runtime library: the one in onnxruntime-node, or the one installed with the
 * CUDA provider.
 */
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import koffi, { type LibraryHandle } from 'koffi';
import { refuse } from '../../base/errors.ts';
import { getGpuDir, readGpuManifest, type GpuManifest } from '../../store/gpu/install.ts';
import { resolveHomeDir } from '../../store/home/home.ts';

/** An address in this process. */
export type Pointer = bigint;

/** The loaded ONNX Runtime. */
export interface Library {
  readonly path: string;
  readonly version: string;
  /** OrtApi, the table of functions. */
  readonly table: Pointer;
  /** Keeps the library loaded: koffi unloads it when the handle is collected. */
  readonly handle: LibraryHandle;
}

/** ORT_API_VERSION of the newest function we call. A newer library has the same table with more functions. */
const apiVersion = 24;
const fileNames: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  linux: 'libonnxruntime.so.1',
  darwin: 'libonnxruntime.1.dylib',
  win32: 'onnxruntime.dll',
};

// ONNX Runtime overflows koffi's default asynchronous stack of 128 KiB, which kills the process. Must run
// before the first call.
koffi.config({ async_stack_size: 8 << 20, sync_stack_size: 8 << 20, resident_async_pools: 2 });

let loaded: Library | undefined;

/**
 * Makes glibc return freed blocks of 1 MiB and more to the system at once. By default it keeps aligned blocks
 * that are allocated and freed repeatedly (measured: 886 MB instead of 115 MB).
 */
function returnFreedMemory(): void {
  if (process.platform !== 'linux') return;
  const mmapThreshold = -3;
  try {
    koffi.load(null).func('mallopt', 'int', ['int', 'int'])(mmapThreshold, 1 << 20);
  } catch {
    /* another C library, which does not need it */
  }
}

/** Returns the library; loads it on the first call. Throws `engine/library`. */
export function getLibrary(): Library {
  loaded ??= loadLibrary(findLibrary());
  return loaded;
}

/**
 * Returns the path of the library, the first of these that is given: `CAMBIUM_ORT_LIBRARY` (a file),
 * `CAMBIUM_GPU_LIBRARIES` (a folder with the library and its CUDA provider), the folder of `cambium gpu
 * install`, onnxruntime-node.
 */
export function findLibrary(environment: NodeJS.ProcessEnv = process.env): string {
  const name =
    fileNames[process.platform] ??
    refuse('engine/library', { path: 'onnxruntime-node', why: `there is none for ${process.platform}` });
  if (environment.CAMBIUM_ORT_LIBRARY) return environment.CAMBIUM_ORT_LIBRARY;
  if (environment.CAMBIUM_GPU_LIBRARIES) return join(environment.CAMBIUM_GPU_LIBRARIES, name);
  const installed = findInstalledGpuLibraries(environment);
  return installed
    ? join(installed.folder, name)
    : join(packageFolder(), 'bin', 'napi-v6', process.platform, process.arch, name);
}

/** Returns the installed CUDA provider if its version is that of onnxruntime-node. */
export function findInstalledGpuLibraries(
  environment: NodeJS.ProcessEnv = process.env,
): (GpuManifest & { readonly folder: string }) | undefined {
  const home = resolveHomeDir(environment);
  const manifest = process.platform === 'linux' ? readGpuManifest(home) : null;
  if (!manifest) return undefined;
  const { version } = createRequire(import.meta.url)(join(packageFolder(), 'package.json')) as {
    version: string;
  };
  return manifest.runtime === version ? { ...manifest, folder: getGpuDir(home) } : undefined;
}

/**
 * Returns the folder of onnxruntime-node. In a packaged app that is app.asar.unpacked, because the dynamic
 * loader cannot read app.asar.
 */
function packageFolder(): string {
  try {
    const folder = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
    return folder.replace(`app.asar${sep}`, `app.asar.unpacked${sep}`);
  } catch (error) {
    return refuse('engine/library', { path: 'onnxruntime-node', why: (error as Error).message });
  }
}

/** Loads the library at `path`. Throws `engine/library`. */
export function loadLibrary(path: string): Library {
  returnFreedMemory();
  // Version 1.30 starts its telemetry when it is loaded, unless this is set.
  process.env['ORT_DISABLE_TELEMETRY'] = '1';
  try {
    const handle = koffi.load(path);
    const base = handle.func('OrtGetApiBase', 'void *', [])() as Pointer;
    const [getApi, getVersion] = koffi.decode(base, 'void *', 2) as [Pointer, Pointer];
    const version = koffi.call(getVersion, koffi.proto('str', [])) as string;
    const table = koffi.call(getApi, koffi.proto('void *', ['uint32_t']), apiVersion) as Pointer | null;
    if (!table) throw new Error(`version ${version} is too old; 1.${apiVersion} or newer is needed`);
    return { path, version, table, handle };
  } catch (error) {
    return refuse('engine/library', { path, why: (error as Error).message });
  }
}
