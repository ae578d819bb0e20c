#!/usr/bin/env node
/**
 * @file npm start: builds if the sources have changed, then opens the desktop window. Without Electron or a
 * display, or with `--serve`, it serves the same interface on a loopback port and opens the browser.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureNode24, exitWith, root } from './toolchain.mjs';

/** Path of the Electron binary, or null if it was not downloaded. Importing `electron` would download it. */
function findElectron() {
  const folder = join(root, 'node_modules', 'electron');
  const pathFile = join(folder, 'path.txt');
  let name = process.platform === 'win32' ? 'electron.exe' : 'electron';
  if (existsSync(pathFile)) name = readFileSync(pathFile, 'utf8').trim();
  const binary = join(process.env.ELECTRON_OVERRIDE_DIST_PATH ?? join(folder, 'dist'), name);
  return existsSync(binary) ? binary : null;
}

await ensureNode24();
const build = [join(root, 'bin', 'build.mjs'), '--if-stale', '--quiet'];
const { status } = spawnSync(process.execPath, build, { stdio: ['ignore', 'inherit', 'inherit'] });
if (status !== 0) process.exit(status ?? 1);

const hasDisplay = process.platform !== 'linux' || process.env.DISPLAY || process.env.WAYLAND_DISPLAY;
const args = process.argv.slice(2).filter((argument) => argument !== '--serve');
const electron = process.argv.includes('--serve') || !hasDisplay ? null : findElectron();

if (electron) {
  // Chromium refuses to run sandboxed as root.
  const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
  const flags = isRoot ? ['--no-sandbox'] : [];
  await exitWith(spawn(electron, [...flags, root, ...args], { stdio: 'inherit' }));
} else {
  const serve = [join(root, 'bin', 'cambium.mjs'), 'serve', '--open', ...args];
  await exitWith(spawn(process.execPath, serve, { stdio: 'inherit' }));
}
