/** @file Finds the file or folder that the system asks Cambium to open, and its page. */
import { existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** The page of a checkpoint, given its folder or a file in it. */
export function routeOfPath(path: string): string {
  const absolute = resolve(path);
  const dir = statSync(absolute).isDirectory() ? absolute : dirname(absolute);
  return `#/checkpoint?${new URLSearchParams({ dir }).toString()}`;
}

/** The first argument of a command line that is an existing file or folder, other than the app's own `root`. */
export function findPathArgument(
  commandLine: readonly string[],
  root: string,
  workingDirectory = process.cwd(),
): string | undefined {
  return commandLine
    .slice(1)
    .filter((argument) => !argument.startsWith('-'))
    .map((argument) => resolve(workingDirectory, argument))
    .find((path) => path !== resolve(root) && existsSync(path));
}
