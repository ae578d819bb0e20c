/** @file The CUDA provider: its status, its installation from wheels, and its removal. */
import { join } from 'node:path';
import { refuse } from '../base/errors.ts';
import { createQueue } from '../base/queue.ts';
import type { AbortSignalLike } from '../base/signals.ts';
import {
  missingLibraries,
  type GpuEvent,
  type GpuInstall,
  type GpuStatus,
  type NativeLibrary,
} from '../contract/gpu.ts';
import { downloadWheel, removeWheels } from '../store/gpu/download.ts';
import { findDamagedFiles, getGpuDir, readGpuManifest, installGpu, removeGpu } from '../store/gpu/install.ts';
import {
  cudaPackages,
  getCudaVersionPattern,
  providerPackage,
  runtimeLibrary,
} from '../store/gpu/packages.ts';
import { createLinkedController } from '../store/fs/signals.ts';
import { withEngine } from './engines.ts';
import { toAbsolutePath, type Dependencies } from './dependencies.ts';

const isSupported = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);
/** Milliseconds between two progress events. */
const progressInterval = 200;

export interface Gpu {
  status(): Promise<GpuStatus>;
  install(request: GpuInstall, signal?: AbortSignalLike): AsyncIterable<GpuEvent>;
  remove(): Promise<{ readonly removed: boolean }>;
}

/** `onChange` is called when an installation or a removal ends, even if it failed. */
export function createGpu(
  { home, processes, environment: { runtime } }: Dependencies,
  onChange: () => void,
): Gpu {
  const needed = runtime ?? { version: '', folder: '' };

  const status = async (): Promise<GpuStatus> => {
    const manifest = readGpuManifest(home.dir);
    const damaged = manifest ? await findDamagedFiles(home.dir, manifest) : [];
    const libraries: readonly NativeLibrary[] = isSupported
      ? await withEngine(processes, {}, (engine) => engine.libraries({}))
      : [];
    const carriers = missingLibraries(libraries).flatMap(({ carrier }) =>
      carrier === null ? [] : [carrier],
    );
    return {
      possible: isSupported,
      needed: needed.version,
      folder: getGpuDir(home.dir),
      libraries,
      packages: [...new Set(carriers)],
      installed: manifest && {
        runtime: manifest.runtime,
        current: manifest.runtime === needed.version && damaged.length === 0,
        files: manifest.files.map(({ name, bytes }) => ({ name, bytes })),
        time: manifest.time,
      },
    };
  };

  /** Downloads the wheels of a package index into the cache; returns their paths. */
  const downloadWheels = async (
    index: string,
    cuda: boolean,
    signal: AbortSignal,
    onProgress: (what: string, done: number, of: number) => void,
  ): Promise<readonly string[]> => {
    const folder = await home.createCacheDir('wheels');
    const wheels: string[] = [];
    for (const name of [providerPackage, ...(cuda ? cudaPackages : [])]) {
      const version = name === providerPackage ? needed.version : getCudaVersionPattern(name);
      wheels.push(await downloadWheel(index, name, version, folder, { signal, onProgress }));
    }
    return wheels;
  };

  async function* install(
    { files, index, cuda }: GpuInstall,
    signal?: AbortSignalLike,
  ): AsyncGenerator<GpuEvent> {
    if (!isSupported || !runtime) refuse('gpu/platform', { platform: `${process.platform}-${process.arch}` });
    const controller = createLinkedController(signal);
    const events = createQueue<GpuEvent>();
    let lastProgress = 0;
    const reportProgress =
      (type: 'downloading' | 'unpacking') =>
      (what: string, done: number, of: number): void => {
        if (done < of && Date.now() - lastProgress < progressInterval) return;
        lastProgress = Date.now();
        events.push({ type, what, done, of });
      };
    const work = async (): Promise<void> => {
      const wheels = (files ?? []).map(toAbsolutePath);
      const downloaded =
        index === undefined
          ? []
          : await downloadWheels(index, cuda, controller.signal, reportProgress('downloading'));
      const library = join(needed.folder, 'bin', 'napi-v6', process.platform, process.arch, runtimeLibrary);
      await installGpu([...wheels, ...downloaded], {
        home: home.dir,
        runtime: { version: needed.version, library },
        signal: controller.signal,
        onProgress: reportProgress('unpacking'),
      }).finally(onChange);
      await removeWheels(downloaded);
      events.push({ type: 'done', status: await status() });
    };
    work().then(events.end, events.fail);
    try {
      yield* events;
    } finally {
      controller.abort();
    }
  }

  return {
    status,
    install,
    remove: async () => ({ removed: await removeGpu(home.dir).finally(onChange) }),
  };
}
