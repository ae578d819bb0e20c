/** @file What the service needs from the process that starts it: home folder, engines, environment, ssh. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { isDatasetName } from '../base/dataset-name.ts';
import { writeText } from '../store/fs/files.ts';
import type { Home } from '../store/home/home.ts';
import type { Processes } from './engines.ts';
import type { OpenTunnel } from './remote-hosts.ts';
import type { Secrets } from './secrets.ts';

export { writeJson } from '../store/fs/files.ts';
export { takeLock } from '../store/fs/lock.ts';
export { isProcessAlive } from '../store/fs/process.ts';
export { openHome } from '../store/home/home.ts';

/** The installation, and the programs that were found on this computer. */
export interface Environment {
  readonly version: string;
  readonly desktop: boolean;
  /** The folder `resources` of this installation. */
  readonly resources: string;
  /** Path of Electron's binary; null if it is not downloaded. */
  readonly electron: string | null;
  /** A command that opens a page in a browser; null if there is none. */
  readonly browser: string | null;
  /** The package of ONNX Runtime. `cuda` is true if a CUDA provider was found next to its library. */
  readonly runtime: { readonly version: string; readonly folder: string; readonly cuda: boolean } | null;
}

export interface Dependencies {
  readonly home: Home;
  readonly processes: Processes;
  readonly environment: Environment;
  readonly tunnel: OpenTunnel;
  /** Keeps secrets in memory if it is missing. */
  readonly secrets?: Secrets;
}

/** The folder of the checkpoint that comes with Cambium. */
export const builtInCheckpoint = ({ environment }: Dependencies): string =>
  join(environment.resources, 'demo', 'seedling');

/** The absolute path of a path that a person typed; `~` is the home folder. The name of a dataset on the Hub stays. */
export const toAbsolutePath = (path: string): string =>
  isDatasetName(path) ? path : resolve(/^~(?=$|[\\/])/.test(path) ? join(homedir(), path.slice(1)) : path);

/** Writes report.html into `dir`; returns its path. */
export async function writeReport(dir: string, html: string): Promise<string> {
  const path = join(dir, 'report.html');
  await writeText(path, html);
  return path;
}
