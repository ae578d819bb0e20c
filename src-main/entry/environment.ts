/**
 * @file What only the process entry can know: where this installation is, and what this computer has to show
 * a page with.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import type { Surroundings } from '../service/dependencies.ts';

/** The folder of Cambium's package.json, found upwards from `start`. */
export function installation(start: string): string {
  for (let dir = start; ; dir = dirname(dir)) {
    const file = join(dir, 'package.json');
    if (existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name === 'cambium')
      return dir;
    if (dir === dirname(dir)) throw new Error(`no installation of Cambium above ${start}`);
  }
}

export function surroundingsOf(start: string, desktop = false): Surroundings {
  const root = installation(start);
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  return {
    version,
    desktop,
    resources: join(root, 'resources').replace('app.asar', 'app.asar.unpacked'),
    electron: desktop ? process.execPath : electronBinary(root),
    browser: browserCommand(),
    runtime: runtimeOf(root),
  };
}

/** Electron's binary when it has been downloaded; asking the package itself would download it. */
export function electronBinary(root: string): string | null {
  const dist = process.env.ELECTRON_OVERRIDE_DIST_PATH;
  const folder = packageFolder(root, 'electron');
  if (folder === null) return null;
  const pathFile = join(folder, 'path.txt');
  const name = existsSync(pathFile)
    ? readFileSync(pathFile, 'utf8').trim()
    : process.platform === 'win32'
      ? 'electron.exe'
      : 'electron';
  const binary = join(dist ?? join(folder, 'dist'), name);
  return existsSync(binary) ? binary : null;
}

const openers: Readonly<Partial<Record<NodeJS.Platform, string>>> = { darwin: 'open', win32: 'explorer.exe' };
const browsers = ['xdg-open', 'chromium', 'chromium-browser', 'google-chrome', 'firefox', 'microsoft-edge'];

/** The command that opens an address on this computer. On Linux it needs a display. */
export function browserCommand(
  environment: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): string | null {
  if (platform !== 'linux') return openers[platform] ?? null;
  if (!environment.DISPLAY && !environment.WAYLAND_DISPLAY) return null;
  const folders = (environment.PATH ?? '').split(delimiter);
  return (
    browsers
      .map((name) => folders.map((dir) => join(dir, name)).find((path) => existsSync(path)))
      .find((path) => path !== undefined) ?? null
  );
}

function packageFolder(root: string, name: string): string | null {
  try {
    return dirname(createRequire(join(root, 'package.json')).resolve(`${name}/package.json`));
  } catch {
    return null;
  }
}

function runtimeOf(root: string): Surroundings['runtime'] {
  const folder = packageFolder(root, 'onnxruntime-node');
  if (folder === null) return null;
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
  const beside = [
    process.env.CAMBIUM_GPU_LIBRARIES,
    join(folder, 'bin', 'napi-v6', process.platform, process.arch),
  ].filter((dir): dir is string => dir !== undefined && dir !== '');
  const provider =
    process.platform === 'win32' ? 'onnxruntime_providers_cuda.dll' : 'libonnxruntime_providers_cuda.so';
  return { version, folder, cuda: beside.some((dir) => existsSync(join(dir, provider))) };
}
