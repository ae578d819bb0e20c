/**
 * @file The CUDA provider in Cambium's own folder: put there from wheels whole or not at all, checked against
 * the wheels' own list of hashes, found again by its manifest.
 */
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { copyFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { refuse } from '../../base/errors.ts';
import { exists, reading, writeJson } from '../fs/files.ts';
import { removeFolder, writeFolder } from '../fs/folder.ts';
import {
  cudaPackages,
  isForHere,
  providerPackage,
  readWheelName,
  runtimeLibrary,
  taken,
} from './packages.ts';
import { extract, textOf, zipEntries, type ZipEntry } from './zip.ts';

export interface InstalledFile {
  readonly name: string;
  readonly bytes: number;
  /** SHA-256, base64url. */ readonly sha256: string;
  /** The wheel it came from. */ readonly from: string;
}

/** manifest.json, written last: without it there is no installation. */
export interface GpuManifest {
  readonly version: 1;
  /** Of ONNX Runtime: another one is not loaded. */
  readonly runtime: string;
  /** SHA-256 of each wheel, in hexadecimal, by its file name. */
  readonly wheels: Readonly<Record<string, string>>;
  readonly files: readonly InstalledFile[];
  /** ISO 8601. */
  readonly time: string;
}

export const gpuFolder = (home: string): string => join(home, 'gpu');
const manifestFile = 'manifest.json';

/**
 * What is installed below `home`, or null. Read at once, because a library is chosen before anything else.
 */
export function installedGpu(home: string): GpuManifest | null {
  try {
    const manifest = JSON.parse(readFileSync(join(gpuFolder(home), manifestFile), 'utf8')) as GpuManifest;
    return manifest.version === 1 && Array.isArray(manifest.files) ? manifest : null;
  } catch {
    return null;
  }
}

/** Files of the installation that are not as they were put there. */
export async function damagedFiles(home: string, { files }: GpuManifest): Promise<readonly string[]> {
  const checked = await Promise.all(
    files.map(async ({ name, bytes }) =>
      (await stat(join(gpuFolder(home), name)).catch(() => undefined))?.size === bytes ? [] : [name],
    ),
  );
  return checked.flat();
}

export interface InstallOptions {
  readonly home: string;
  /** The folder of ONNX Runtime's own library, which goes beside the provider, and its version. */
  readonly runtime: { readonly version: string; readonly library: string };
  readonly signal?: AbortSignal;
  readonly onProgress?: (what: string, done: number, of: number) => void;
  readonly arch?: string;
}

interface Wheel {
  readonly path: string;
  readonly file: string;
  readonly entries: readonly { readonly entry: ZipEntry; readonly name: string }[];
  readonly hashes: ReadonlyMap<string, string>;
}

/**
 * Installs the CUDA provider from `wheels`, which hold it and maybe CUDA's own libraries, in place of what
 * was there.
 * Refuses `gpu/wheel` where one is of another version, platform or kind, or is damaged.
 */
export async function installGpu(
  wheels: readonly string[],
  { home, runtime, signal, onProgress = () => undefined, arch = process.arch }: InstallOptions,
): Promise<GpuManifest> {
  const opened = await Promise.all(wheels.map((path) => openWheel(path, runtime.version, arch)));
  if (!opened.some(({ file }) => readWheelName(file)!.name === providerPackage))
    refuse('gpu/wheel', { path: wheels.join(', '), why: `none is ${providerPackage} ${runtime.version}` });
  const all = opened.flatMap((wheel) => wheel.entries.map((e) => ({ wheel, ...e })));
  const own = (await reading(runtime.library, () => stat(runtime.library))).size;
  const of = all.reduce((n, { entry }) => n + entry.bytes, own);
  let done = 0;
  return writeFolder(
    gpuFolder(home),
    async (folder) => {
      await copyFile(runtime.library, join(folder, runtimeLibrary));
      const files: InstalledFile[] = [
        {
          name: runtimeLibrary,
          bytes: own,
          sha256: await hashOf(runtime.library, 'base64url'),
          from: 'onnxruntime-node',
        },
      ];
      done += own;
      for (const { wheel, entry, name } of all) {
        if (signal?.aborted) refuse('cancelled', { what: 'Installing the CUDA provider' });
        const sha256 = await extract(wheel.path, entry, join(folder, name), (bytes) => {
          done += bytes;
          onProgress(name, done, of);
        });
        if (wheel.hashes.get(entry.name) !== sha256)
          refuse('gpu/wheel', { path: wheel.path, why: `${name} is not what its list of hashes says` });
        files.push({ name, bytes: entry.bytes, sha256, from: wheel.file });
      }
      const sums: Record<string, string> = {};
      for (const { path, file } of opened) sums[file] = await hashOf(path, 'hex');
      const manifest: GpuManifest = {
        version: 1,
        runtime: runtime.version,
        wheels: sums,
        files,
        time: new Date().toISOString(),
      };
      await writeJson(join(folder, manifestFile), manifest);
      return manifest;
    },
    { replace: true, needed: of, ...(signal ? { signal } : {}) },
  );
}

async function openWheel(path: string, version: string, arch: string): Promise<Wheel> {
  const file = basename(path);
  const read = readWheelName(file);
  const wrong = (why: string): never => refuse('gpu/wheel', { path, why });
  if (!read) return wrong('its name is not that of a wheel');
  if (read.name !== providerPackage && !cudaPackages.includes(read.name))
    return wrong(`${read.name} is none of ${[providerPackage, ...cudaPackages].join(', ')}`);
  if (read.name === providerPackage && read.version !== version)
    return wrong(`it is version ${read.version}, and ${version} is needed`);
  if (!isForHere(read.platform, arch)) return wrong(`it is for ${read.platform}`);
  const entries = await zipEntries(path);
  const record = entries.find(({ name }) => name.endsWith('.dist-info/RECORD'));
  if (!record) return wrong('it has no list of hashes');
  const hashes = new Map(
    (await textOf(path, record)).split('\n').flatMap((line) => {
      const [, name, sum] = /^"?([^",]+)"?,sha256=([\w-]+),/.exec(line) ?? [];
      return name && sum ? [[name, sum] as const] : [];
    }),
  );
  const own = entries.flatMap((entry) => {
    const name = taken(entry.name);
    return name === undefined ? [] : [{ entry, name }];
  });
  if (own.length === 0) return wrong('it holds no library');
  return { path, file, entries: own, hashes };
}

/** SHA-256 of a file. */
export async function hashOf(path: string, as: 'hex' | 'base64url'): Promise<string> {
  const hash = createHash('sha256');
  await reading(path, () => pipeline(createReadStream(path), hash));
  return hash.digest(as);
}

/** Takes the installation away; true when there was one. */
export async function removeGpu(home: string): Promise<boolean> {
  const there = await exists(gpuFolder(home));
  await removeFolder(gpuFolder(home));
  return there;
}
