/** @file Starts the built desktop app in Electron. */
import { join } from 'node:path';
import { _electron, type ElectronApplication } from 'playwright-core';
import { findElectron } from '../src-main/entry/environment.ts';
import { root, timeout } from './paths.ts';

const hasDisplay =
  process.platform !== 'linux' ||
  process.env['DISPLAY'] !== undefined ||
  process.env['WAYLAND_DISPLAY'] !== undefined;

/** The binary of Electron, or why the app cannot be started here. */
export function findDesktop(): { readonly binary: string } | { readonly missing: string } {
  const binary = findElectron(root);
  if (binary === null)
    return {
      missing: 'needs the binary of Electron, which npm ci does not download: run npx install-electron',
    };
  return hasDisplay ? { binary } : { missing: 'needs a display: run it under xvfb-run' };
}

/** The command line of the app: in a container root has no sandbox; `dir` holds what Electron stores. */
export function listDesktopArguments(dir: string): readonly string[] {
  const sandbox = process.platform === 'linux' && process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return [...sandbox, `--user-data-dir=${join(dir, 'electron')}`, root];
}

/** The environment of a process whose home folder is `dir`, with `changes`. */
export const createEnvironment = (
  dir: string,
  changes: Readonly<Record<string, string>> = {},
): Record<string, string> =>
  Object.fromEntries(
    Object.entries({
      ...process.env,
      HOME: dir,
      USERPROFILE: dir,
      CAMBIUM_HOME: join(dir, 'home'),
      ...changes,
    }).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );

export const launchDesktop = (
  executablePath: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<ElectronApplication> =>
  _electron.launch({ executablePath, args: [...args], env: { ...env }, timeout });

/** A question of the app is answered by its button of this index. */
export const answerQuestions = (app: ElectronApplication, button: number): Promise<void> =>
  app.evaluate(({ dialog }, response) => {
    dialog.showMessageBox = () => Promise.resolve({ response, checkboxChecked: false });
  }, button);
