#!/usr/bin/env node
/**
 * @file npm start: builds when it must, then the desktop window where Electron and a display exist, else the
 * same interface on a loopback port. `--serve` forces the latter.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, stoodInFor, underNode24 } from './toolchain.mjs';

await underNode24();
const { status } = spawnSync(process.execPath, [join(root, 'bin', 'build.mjs'), '--if-old', '--quiet'], {
  stdio: ['ignore', 'inherit', 'inherit'],
});
if (status !== 0) process.exit(status ?? 1);

/** Electron's binary if it was downloaded; the package itself would download it when asked. */
function electron() {
  const folder = join(root, 'node_modules', 'electron');
  const pathFile = join(folder, 'path.txt');
  const name = existsSync(pathFile)
    ? readFileSync(pathFile, 'utf8').trim()
    : process.platform === 'win32'
      ? 'electron.exe'
      : 'electron';
  const binary = join(process.env.ELECTRON_OVERRIDE_DIST_PATH ?? join(folder, 'dist'), name);
  return existsSync(binary) ? binary : null;
}
const display = process.platform !== 'linux' || process.env.DISPLAY || process.env.WAYLAND_DISPLAY;
const given = process.argv.slice(2).filter((a) => a !== '--serve');
const binary = process.argv.includes('--serve') || !display ? null : electron();

const child = binary
  ? spawn(
      binary,
      [...(process.platform === 'linux' && process.getuid?.() === 0 ? ['--no-sandbox'] : []), root, ...given],
      { stdio: 'inherit' },
    )
  : spawn(process.execPath, [join(root, 'bin', 'cambium.mjs'), 'serve', '--open', ...given], {
      stdio: 'inherit',
    });
await stoodInFor(child);
