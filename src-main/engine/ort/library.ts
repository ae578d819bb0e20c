/**
 * @file Finds and loads the ONNX Runtime that onnxruntime-node carries, or the one beside the CUDA provider,
 * and gives its table of functions.
 */
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import koffi, { type LibraryHandle } from 'koffi';
import { refuse } from '../../base/errors.ts';
import { gpuFolder, installedGpu, type GpuManifest } from '../../store/gpu/installed.ts';
import { homeDir } from '../../store/home/home.ts';

/** An address in the process. */
export type Pointer = bigint;

/**
 * ONNX Runtime, loaded, and `OrtApi`, its table of functions. `handle` keeps it loaded: koffi unloads a
 * library whose handle is collected.
 */
export interface Library {
  readonly path: string;
  readonly version: string;
  readonly table: Pointer;
  readonly handle: LibraryHandle;
}

/**
 * The version of the C ABI asked for; its last function we call came with 1.24. Newer libraries give the same
 * table, only longer.
 */
const abi = 24;
const names: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  linux: 'libonnxruntime.so.1',
  darwin: 'libonnxruntime.1.dylib',
  win32: 'onnxruntime.dll',
};

/** Before any call: ONNX Runtime overflows koffi's asynchronous stack of 128 KiB, and the process dies. */
koffi.config({ async_stack_size: 8 << 20, sync_stack_size: 8 << 20, resident_async_pools: 2 });

let loaded: Library | undefined;

/**
 * Freed blocks of 1 MiB and more go back to the system at once; glibc left to itself keeps aligned ones that
 * come and go (seen: 886 MB instead of 115).
 */
function returnFreedMemory(): void {
  if (process.platform !== 'linux') return;
  const mmapThreshold = -3;
  try {
    koffi.load(null).func('mallopt', 'int', ['int', 'int'])(mmapThreshold, 1 << 20);
  } catch {
    /* another C library, without this trouble */
  }
}

/** The library, loaded at the first call. Throws `engine/library`. */
export function library(): Library {
  return (loaded ??= load(libraryPath()));
}

/**
 * Where the library is: `CAMBIUM_ORT_LIBRARY`; else in the folder `CAMBIUM_GPU_LIBRARIES`, whose CUDA
 * provider must lie beside it; else where `cambium gpu install` put both; else in onnxruntime-node.
 */
export function libraryPath(environment: NodeJS.ProcessEnv = process.env): string {
  const name =
    names[process.platform] ??
    refuse('engine/library', { path: 'onnxruntime-node', why: `there is none for ${process.platform}` });
  if (environment.CAMBIUM_ORT_LIBRARY) return environment.CAMBIUM_ORT_LIBRARY;
  if (environment.CAMBIUM_GPU_LIBRARIES) return join(environment.CAMBIUM_GPU_LIBRARIES, name);
  const installed = installedHere(environment);
  return installed
    ? join(installed.folder, name)
    : join(packageFolder(), 'bin', 'napi-v6', process.platform, process.arch, name);
}

/** The CUDA provider in Cambium's own folder, where it is of the very version of onnxruntime-node. */
export function installedHere(
  environment: NodeJS.ProcessEnv = process.env,
): (GpuManifest & { readonly folder: string }) | undefined {
  const home = homeDir(environment);
  const manifest = process.platform === 'linux' ? installedGpu(home) : null;
  if (!manifest) return undefined;
  const { version } = createRequire(import.meta.url)(join(packageFolder(), 'package.json')) as {
    version: string;
  };
  return manifest.runtime === version ? { ...manifest, folder: gpuFolder(home) } : undefined;
}

/**
 * The package's folder; out of the archive of a packed app, where no loader can read, and into the folder
 * beside it.
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
export function load(path: string): Library {
  returnFreedMemory();
  // 1.30 reports its use to its maker unless this is set when it loads
  process.env['ORT_DISABLE_TELEMETRY'] = '1';
  try {
    const handle = koffi.load(path);
    const base = handle.func('OrtGetApiBase', 'void *', [])() as Pointer;
    const [getApi, getVersion] = koffi.decode(base, 'void *', 2) as [Pointer, Pointer];
    const version = koffi.call(getVersion, koffi.proto('str', [])) as string;
    const table = koffi.call(getApi, koffi.proto('void *', ['uint32_t']), abi) as Pointer | null;
    if (!table) throw new Error(`version ${version} is too old; 1.${abi} or newer is needed`);
    return { path, version, table, handle };
  } catch (error) {
    return refuse('engine/library', { path, why: (error as Error).message });
  }
}
