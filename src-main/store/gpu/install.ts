/**
 * @file Installs the CUDA provider of ONNX Runtime from wheels into Cambium's own folder, atomically and
 * checked against the hashes in the wheels. A manifest describes the installation.
 */
import { createHash } from 'node:crypto';
import { copyFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { parseJson } from '../../base/json.ts';
import { refuse } from '../../base/errors.ts';
import { exists, openRegularFile, readOrRefuse, readRegularFileSync, writeJson } from '../fs/files.ts';
import { removeFolder, writeFolder } from '../fs/folder.ts';
import { withLock } from '../fs/lock.ts';
import { restoreReplacedFolder } from '../fs/stale-folders.ts';
import {
  acceptedPackages,
  getInstalledName,
  isPlatformCompatible,
  parseWheelName,
  providerPackage,
  runtimeLibrary,
} from './packages.ts';
import { extractEntry, readEntryText, readZipEntries, type ZipEntry } from './zip.ts';

export interface InstalledFile {
  readonly name: string;
  readonly bytes: number;
  /** As base64url. */
  readonly sha256: string;
  /** The wheel it comes from. */
  readonly from: string;
}

/** manifest.json. It is written last, so without it there is no installation. */
export interface GpuManifest {
  readonly version: 1;
  /** Version of ONNX Runtime. Another version does not load the installation. */
  readonly runtime: string;
  /** SHA-256 of each wheel, in hexadecimal, by file name. */
  readonly wheels: Readonly<Record<string, string>>;
  readonly files: readonly InstalledFile[];
  /** ISO 8601. */
  readonly time: string;
}

const manifestSchema = z.object({
  version: z.literal(1),
  runtime: z.string(),
  wheels: z.record(z.string(), z.string()),
  files: z.array(
    z.object({
      name: z.string().regex(/^[\w.+-]+$/),
      bytes: z.number().int().min(0),
      sha256: z.string(),
      from: z.string(),
    }),
  ),
  time: z.string(),
});

/** The folder of the installation. */
export const getGpuDir = (home: string): string => join(home, 'gpu');
const manifestFile = 'manifest.json';

/**
 * Reads the manifest of the installation; null when there is none. Synchronous, because the library of ONNX
 * Runtime is chosen before anything else is loaded. An installation whose replacement was interrupted comes back.
 */
export function readGpuManifest(home: string): GpuManifest | null {
  try {
    restoreReplacedFolder(getGpuDir(home));
    const text = readRegularFileSync(join(getGpuDir(home), manifestFile));
    return parseJson(text.toString('utf8'), manifestSchema);
  } catch {
    return null;
  }
}

/** Installations and removals of several processes come one after the other. */
const withGpuLock = <T>(home: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> =>
  withLock(getGpuDir(home), work, { signal });

/** Names of the installed files that are missing or have another size. */
export async function findDamagedFiles(home: string, { files }: GpuManifest): Promise<readonly string[]> {
  const damaged = await Promise.all(
    files.map(async ({ name, bytes }) => {
      const found = await stat(join(getGpuDir(home), name)).catch(() => undefined);
      return found?.size !== bytes;
    }),
  );
  return files.filter((_, i) => damaged[i]).map((file) => file.name);
}

export interface InstallOptions {
  readonly home: string;
  /** ONNX Runtime's own library, which is copied next to the provider, and its version. */
  readonly runtime: { readonly version: string; readonly library: string };
  readonly signal?: AbortSignal;
  readonly onProgress?: (what: string, done: number, of: number) => void;
  readonly arch?: string;
}

interface Wheel {
  readonly path: string;
  readonly file: string;
  /** The files to install, and their names when installed. */
  readonly entries: readonly { readonly entry: ZipEntry; readonly name: string }[];
  /** SHA-256 as base64url, by path in the wheel. */
  readonly hashes: ReadonlyMap<string, string>;
}

/**
 * Installs the CUDA provider from `wheels`, in place of an earlier installation. One of them is the provider;
 * the others are CUDA's libraries. Refuses `gpu/wheel` for a wheel of another version, platform or package,
 * and for a damaged one.
 */
export async function installGpu(wheels: readonly string[], options: InstallOptions): Promise<GpuManifest> {
  const { home, runtime, signal, arch = process.arch } = options;
  const opened = await Promise.all(wheels.map((path) => openWheel(path, runtime.version, arch)));
  if (!opened.some(({ file }) => parseWheelName(file)!.name === providerPackage))
    refuse('gpu/wheel', { path: wheels.join(', '), why: `none is ${providerPackage} ${runtime.version}` });
  const { size: runtimeBytes } = await readOrRefuse(runtime.library, () => stat(runtime.library));
  const wheelBytes = opened.flatMap((wheel) => wheel.entries.map(({ entry }) => entry.bytes));
  const requiredBytes = wheelBytes.reduce((a, b) => a + b, runtimeBytes);
  const fill = async (folder: string): Promise<GpuManifest> => {
    await copyFile(runtime.library, join(folder, runtimeLibrary));
    const runtimeFile: InstalledFile = {
      name: runtimeLibrary,
      bytes: runtimeBytes,
      sha256: await hashFile(runtime.library, 'base64url'),
      from: 'onnxruntime-node',
    };
    const files = [
      runtimeFile,
      ...(await extractWheels(opened, folder, runtimeBytes, requiredBytes, options)),
    ];
    const wheelHashes: Record<string, string> = {};
    for (const { path, file } of opened) wheelHashes[file] = await hashFile(path, 'hex');
    const manifest: GpuManifest = {
      version: 1,
      runtime: runtime.version,
      wheels: wheelHashes,
      files,
      time: new Date().toISOString(),
    };
    await writeJson(join(folder, manifestFile), manifest);
    return manifest;
  };
  const writeOptions = { replace: true, requiredBytes, ...(signal ? { signal } : {}) };
  return withGpuLock(home, () => writeFolder(getGpuDir(home), fill, writeOptions), signal);
}

/** Extracts the libraries of the wheels into `folder`, and checks their hashes. */
async function extractWheels(
  wheels: readonly Wheel[],
  folder: string,
  doneBytes: number,
  totalBytes: number,
  { signal, onProgress }: InstallOptions,
): Promise<readonly InstalledFile[]> {
  const files: InstalledFile[] = [];
  let done = doneBytes;
  for (const wheel of wheels)
    for (const { entry, name } of wheel.entries) {
      if (signal?.aborted) refuse('cancelled', { what: 'Installing the CUDA provider' });
      const sha256 = await extractEntry(wheel.path, entry, join(folder, name), (bytes) => {
        done += bytes;
        onProgress?.(name, done, totalBytes);
      });
      if (wheel.hashes.get(entry.name) !== sha256)
        refuse('gpu/wheel', { path: wheel.path, why: `${name} does not match its hash in RECORD` });
      files.push({ name, bytes: entry.bytes, sha256, from: wheel.file });
    }
  return files;
}

/** Lists the libraries of a wheel with their hashes. Refuses `gpu/wheel`. */
async function openWheel(path: string, version: string, arch: string): Promise<Wheel> {
  const file = basename(path);
  const refuseWheel = (why: string): never => refuse('gpu/wheel', { path, why });
  const wheel = parseWheelName(file);
  if (!wheel) return refuseWheel('its name is not that of a wheel');
  if (!acceptedPackages.includes(wheel.name))
    return refuseWheel(`${wheel.name} is not one of ${acceptedPackages.join(', ')}`);
  if (wheel.name === providerPackage && wheel.version !== version)
    return refuseWheel(`it is version ${wheel.version}, and ${version} is needed`);
  if (!isPlatformCompatible(wheel.platform, arch)) return refuseWheel(`it is for ${wheel.platform}`);
  const all = await readZipEntries(path);
  const record = all.find(({ name }) => name.endsWith('.dist-info/RECORD'));
  if (!record) return refuseWheel('it has no RECORD file with hashes');
  const hashes = parseRecord(await readEntryText(path, record));
  const entries = all.flatMap((entry) => {
    const name = getInstalledName(entry.name);
    return name === undefined ? [] : [{ entry, name }];
  });
  if (entries.length === 0) return refuseWheel('it contains no library to install');
  return { path, file, entries, hashes };
}

/** The SHA-256 of each file, from the RECORD of a wheel. */
function parseRecord(text: string): ReadonlyMap<string, string> {
  const hashes = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, hash] = /^"?([^",]+)"?,sha256=([\w-]+),/.exec(line) ?? [];
    if (name && hash) hashes.set(name, hash);
  }
  return hashes;
}

/** SHA-256 of a file. */
export async function hashFile(path: string, encoding: 'hex' | 'base64url'): Promise<string> {
  const hash = createHash('sha256');
  const { file } = await openRegularFile(path);
  await readOrRefuse(path, () => pipeline(file.createReadStream(), hash));
  return hash.digest(encoding);
}

/** Removes the installation. Returns whether there was one. */
export const removeGpu = (home: string): Promise<boolean> =>
  withGpuLock(home, async () => {
    restoreReplacedFolder(getGpuDir(home));
    const wasInstalled = await exists(getGpuDir(home));
    await removeFolder(getGpuDir(home));
    return wasInstalled;
  });
