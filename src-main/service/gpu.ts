/**
 * @file The CUDA provider: what is installed and what is missing, brought from wheels into Cambium's own
 * folder, taken away again.
 */
import { join } from 'node:path';
import { refuse } from '../base/errors.ts';
import { queue } from '../base/queue.ts';
import type { AbortSignalLike } from '../base/signals.ts';
import type { GpuEvent, GpuInstall, GpuStatus, NativeLibrary } from '../contract/gpu.ts';
import { downloadWheel, dropWheels } from '../store/gpu/download.ts';
import { damagedFiles, gpuFolder, installedGpu, installGpu, removeGpu } from '../store/gpu/installed.ts';
import { cudaPackages, cudaVersions, providerPackage, runtimeLibrary } from '../store/gpu/packages.ts';
import { controllerOf } from '../store/fs/signals.ts';
import { withEngine } from './engines.ts';
import { absolute, type Place } from './dependencies.ts';

const possible = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);

export interface Gpu {
  status(): Promise<GpuStatus>;
  install(request: GpuInstall, signal?: AbortSignalLike): AsyncIterable<GpuEvent>;
  remove(): Promise<{ readonly removed: boolean }>;
}

/** `changed` is told whenever an installation or a removal ends, however. */
export function createGpu({ home, processes, surroundings: { runtime } }: Place, changed: () => void): Gpu {
  const needed = runtime ?? { version: '', folder: '' };

  const status = async (): Promise<GpuStatus> => {
    const manifest = installedGpu(home.dir);
    const damaged = manifest ? await damagedFiles(home.dir, manifest) : [];
    const libraries: readonly NativeLibrary[] = possible
      ? await withEngine(processes, {}, (e) => e.libraries({}))
      : [];
    const carriers = libraries.flatMap((l) => (l.found || l.carrier === null ? [] : [l.carrier]));
    return {
      possible,
      needed: needed.version,
      folder: gpuFolder(home.dir),
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

  async function* install(
    { files, index, cuda }: GpuInstall,
    signal?: AbortSignalLike,
  ): AsyncGenerator<GpuEvent> {
    if (!possible || !runtime) refuse('gpu/platform', { platform: `${process.platform}-${process.arch}` });
    const stop = controllerOf(signal);
    const events = queue<GpuEvent>();
    let told = 0;
    const telling =
      (at: 'downloading' | 'unpacking') =>
      (what: string, done: number, of: number): void => {
        if (done < of && Date.now() - told < 200) return;
        told = Date.now();
        events.push({ at, what, done, of });
      };
    const work = async (): Promise<void> => {
      const wheels = (files ?? []).map(absolute);
      const fetched: string[] = [];
      if (index !== undefined) {
        const folder = await home.cache('wheels');
        for (const name of [providerPackage, ...(cuda ? cudaPackages : [])])
          fetched.push(
            await downloadWheel(
              index,
              name,
              name === providerPackage ? needed.version : cudaVersions(name),
              folder,
              { signal: stop.signal, onProgress: telling('downloading') },
            ),
          );
      }
      const library = join(needed.folder, 'bin', 'napi-v6', process.platform, process.arch, runtimeLibrary);
      await installGpu([...wheels, ...fetched], {
        home: home.dir,
        runtime: { version: needed.version, library },
        signal: stop.signal,
        onProgress: telling('unpacking'),
      }).finally(changed);
      await dropWheels(fetched);
      events.push({ at: 'done', status: await status() });
    };
    work().then(events.end, events.fail);
    try {
      yield* events;
    } finally {
      stop.abort();
    }
  }

  return { status, install, remove: async () => ({ removed: await removeGpu(home.dir).finally(changed) }) };
}
