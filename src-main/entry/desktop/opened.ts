/**
 * @file What the system asks Cambium to open: a folder or a weights file dropped on the icon, or opened with
 * it from a file manager.
 */
import { existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** The page of the checkpoint that `path` is, or lies in. */
export function routeOfPath(path: string): string {
  const whole = resolve(path);
  const dir = statSync(whole).isDirectory() ? whole : dirname(whole);
  return `#/checkpoint?${new URLSearchParams({ dir }).toString()}`;
}

/**
 * The first thing in a command line that names an existing file or folder: neither a switch, nor `root`, nor
 * the program itself.
 */
export function openedPath(
  commandLine: readonly string[],
  root: string,
  workingDirectory = process.cwd(),
): string | undefined {
  return commandLine
    .slice(1)
    .filter((given) => !given.startsWith('-'))
    .map((given) => resolve(workingDirectory, given))
    .find((path) => path !== resolve(root) && existsSync(path));
}
