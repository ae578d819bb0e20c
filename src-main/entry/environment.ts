/** @file Finds the installation of Cambium, Electron's binary, ONNX Runtime, and a browser. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { z } from 'zod';
import { parseJson } from '../base/json.ts';
import type { Environment } from '../service/dependencies.ts';

/** The folder of Cambium's package.json, which is `start` or a parent of it. */
export function findInstallation(start: string): string {
  for (let dir = start; ; dir = dirname(dir)) {
    const file = join(dir, 'package.json');
    if (existsSync(file) && readPackage(dir).name === 'cambium') return dir;
    if (dir === dirname(dir)) throw new Error(`no installation of Cambium above ${start}`);
  }
}

const packageFile = z.object({ name: z.string().optional(), version: z.string().default('') });

const readPackage = (dir: string): z.infer<typeof packageFile> =>
  parseJson(readFileSync(join(dir, 'package.json'), 'utf8'), packageFile);

/** The folder of files that programs open by their path. */
export const findResources = (root: string): string =>
  join(root, 'resources').replace('app.asar', 'app.asar.unpacked');

export function detectEnvironment(start: string, desktop = false): Environment {
  const root = findInstallation(start);
  return {
    version: readPackage(root).version,
    desktop,
    resources: findResources(root),
    electron: desktop ? process.execPath : findElectron(root),
    browser: findBrowser(),
    runtime: findRuntime(root),
  };
}

/** Electron's binary if it is downloaded. (Importing the package would download it.) */
export function findElectron(root: string): string | null {
  const folder = findPackage(root, 'electron');
  if (folder === null) return null;
  const dist = process.env.ELECTRON_OVERRIDE_DIST_PATH ?? join(folder, 'dist');
  const pathFile = join(folder, 'path.txt');
  const defaultName = process.platform === 'win32' ? 'electron.exe' : 'electron';
  const name = existsSync(pathFile) ? readFileSync(pathFile, 'utf8').trim() : defaultName;
  const binary = join(dist, name);
  return existsSync(binary) ? binary : null;
}

const openers: Readonly<Partial<Record<NodeJS.Platform, string>>> = { darwin: 'open', win32: 'explorer.exe' };
const browsers = ['xdg-open', 'chromium', 'chromium-browser', 'google-chrome', 'firefox', 'microsoft-edge'];

/** A command that opens an address in a browser, or null. Linux needs a display. */
export function findBrowser(
  environment: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): string | null {
  if (platform !== 'linux') return openers[platform] ?? null;
  if (!environment.DISPLAY && !environment.WAYLAND_DISPLAY) return null;
  const folders = (environment.PATH ?? '').split(delimiter);
  for (const name of browsers) {
    const path = folders.map((folder) => join(folder, name)).find((candidate) => existsSync(candidate));
    if (path !== undefined) return path;
  }
  return null;
}

/** The folder of an installed package, or null. */
function findPackage(root: string, name: string): string | null {
  try {
    return dirname(createRequire(join(root, 'package.json')).resolve(`${name}/package.json`));
  } catch {
    return null;
  }
}

function findRuntime(root: string): Environment['runtime'] {
  const folder = findPackage(root, 'onnxruntime-node');
  if (folder === null) return null;
  const libraries = join(folder, 'bin', 'napi-v6', process.platform, process.arch);
  const ownFolder = process.env.CAMBIUM_GPU_LIBRARIES;
  const folders = ownFolder === undefined || ownFolder === '' ? [libraries] : [ownFolder, libraries];
  const isWindows = process.platform === 'win32';
  const provider = isWindows ? 'onnxruntime_providers_cuda.dll' : 'libonnxruntime_providers_cuda.so';
  const cuda = folders.some((dir) => existsSync(join(dir, provider)));
  return { version: readPackage(folder).version, folder, cuda };
}
